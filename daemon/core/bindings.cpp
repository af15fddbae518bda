// SPDX-License-Identifier: Apache-2.0
// The native module: Metering Processes, what they hand over, what they count.
#include "bindings.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "capture/filter.hpp"
#include "capture/network_device.hpp"
#include "capture/packet_source.hpp"
#include "capture/pcap_device.hpp"
#include "classify/detection.hpp"
#include "crash_report.hpp"
#include "decode/decode.hpp"
#include "file_meter.hpp"
#include "handover/record_layout.hpp"
#include "live_meter.hpp"
#include "privileges.hpp"

namespace nb = nanobind;

namespace spanflow {
namespace {

// What Python holds of a batch. Exports its records as read-only octets; the memory lives as long as the last view.
struct BatchView {
  std::unique_ptr<Batch> batch;
};

// What Python holds of the first packets of a batch, which it keeps alive.
struct FirstPacketsView {
  nb::object batch;
};

std::span<const FlowRecord> exported(const BatchView& view) { return view.batch->records(); }
std::span<const FirstPacket> exported(const FirstPacketsView& view) {
  return nb::inst_ptr<BatchView>(view.batch)->batch->first_packets();
}

template <typename View>
int get_buffer(PyObject* self, Py_buffer* buffer, int flags) {
  if ((flags & PyBUF_WRITABLE) != 0) {
    PyErr_SetString(PyExc_BufferError, "a batch is read-only");
    buffer->obj = nullptr;
    return -1;
  }
  const auto octets = std::as_bytes(exported(*nb::inst_ptr<View>(nb::handle(self))));
  return PyBuffer_FillInfo(buffer, self, const_cast<std::byte*>(octets.data()), static_cast<Py_ssize_t>(octets.size()),
                           1, flags);
}

template <typename View>
PyType_Slot buffer_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer<View>)}, {0, nullptr}};

HashSecret random_secret() {
  HashSecret secret;
  std::random_device device;
  for (auto& word : secret.words) {
    word = (std::uint64_t{device()} << 32 | device()) | 1;
  }
  return secret;
}

nb::dict as_dict(const FrameCount& count) {
  nb::dict dict;
  dict["packets"] = count.packets;
  dict["octets"] = count.octets;
  return dict;
}

nb::dict as_dict(const FlowCount& count) {
  nb::dict dict;
  dict["records"] = count.records;
  dict["packets"] = count.packets;
  dict["octets"] = count.octets;
  return dict;
}

nb::dict as_dict(const Counters& counters) {
  nb::dict discarded;
  for (std::size_t reason = 1; reason < kDiscardReasons; ++reason) {
    discarded[kDiscardNames[reason]] = as_dict(counters.discarded[reason]);
  }
  nb::dict ended;
  for (std::size_t detail = 1; detail < kEndDetails; ++detail) {
    ended[kEndDetailNames[detail]] = counters.ended[detail];
  }
  nb::dict dict;
  dict["received"] = as_dict(counters.received);
  dict["discarded"] = discarded;
  dict["accounted_frames"] = as_dict(counters.accounted_frames);
  dict["accounted"] = as_dict(counters.accounted);
  dict["cached"] = as_dict(counters.cached);
  dict["in_batch"] = as_dict(counters.in_batch);
  dict["handed_over"] = as_dict(counters.handed_over);
  dict["dropped_at_handover"] = as_dict(counters.dropped_at_handover);
  dict["late"] = counters.late;
  dict["fragment_orphans"] = counters.fragment_orphans;
  dict["flows_opened"] = counters.flows_opened;
  dict["crowded_evictions"] = counters.crowded_evictions;
  dict["cached_flows"] = counters.cached_flows;
  dict["ended"] = ended;
  dict["clock_steps"] = counters.clock_steps;
  dict["merged_frames"] = counters.merged_frames;
  const auto& classification = counters.classification;
  nb::dict classified;
  classified["under_detection"] = classification.under_detection;
  classified["memory_octets"] = classification.memory_octets;
  classified["inspected_packets"] = classification.inspected_packets;
  classified["detected"] = classification.detected;
  classified["given_up"] = classification.given_up;
  classified["guessed"] = classification.guessed;
  classified["refused_flows"] = classification.refused_flows;
  classified["refused_memory"] = classification.refused_memory;
  classified["dropped_details"] = classification.dropped_details;
  dict["classification"] = classified;
  nb::dict lag;
  lag["buckets"] = std::vector<std::uint64_t>(counters.expiry_lag.begin(), counters.expiry_lag.end());
  lag["sum_ns"] = counters.expiry_lag_sum_ns;
  dict["expiry_lag"] = lag;
  return dict;
}

nb::list as_list(const std::vector<Member>& members) {
  nb::list list;
  for (const auto& [name, format, offset] : members) {
    list.append(nb::make_tuple(name, format, offset));
  }
  return list;
}

const char* name_of(Problem::Kind kind) {
  switch (kind) {
    case Problem::Kind::unreadable: return "unreadable";
    case Problem::Kind::not_found: return "not_found";
    case Problem::Kind::not_permitted: return "not_permitted";
    case Problem::Kind::not_a_capture: return "not_a_capture";
    case Problem::Kind::damaged: return "damaged";
    case Problem::Kind::unsupported: return "unsupported";
    case Problem::Kind::none: break;
  }
  return "none";
}

std::int64_t or_never(std::int64_t timeout_ns) { return timeout_ns == 0 ? kNever : timeout_ns; }

Timeouts timeouts_of(std::int64_t active_ns, std::int64_t inactive_ns, std::int64_t tcp_linger_ns,
                     std::int64_t tcp_fin_timeout_ns) {
  return Timeouts{.active_ns = or_never(active_ns),
                  .inactive_ns = or_never(inactive_ns),
                  .tcp_linger_ns = tcp_linger_ns,
                  .tcp_fin_timeout_ns = or_never(tcp_fin_timeout_ns)};
}

nb::dict as_dict(const WorkerState& state) {
  const auto& [index, bound, up, counts, last_error] = state.capture;
  nb::dict dict;
  dict["interface"] = state.interface;
  dict["turns"] = state.turns;
  dict["finished"] = state.finished;
  dict["index"] = index;
  dict["bound"] = bound;
  dict["up"] = up;
  dict["kernel_received"] = counts.kernel_received;
  dict["kernel_drops"] = counts.kernel_drops;
  dict["ring_freezes"] = counts.freezes;
  dict["appearances"] = counts.appearances;
  dict["last_error"] = last_error;
  dict["counters"] = as_dict(state.counters);
  return dict;
}

// 16 octets in wire order, IPv4 as ::ffff:a.b.c.d.
Address address_of(const nb::bytes& octets) {
  Address address;
  if (octets.size() != sizeof address) {
    throw std::invalid_argument("an address has 16 octets");
  }
  std::memcpy(&address, octets.c_str(), sizeof address);
  return address;
}

using RuleParts = std::tuple<std::string, std::vector<std::tuple<nb::bytes, std::uint8_t>>,
                             std::vector<std::tuple<std::uint16_t, std::uint16_t>>, std::vector<std::string>>;

Rule rule_of(const RuleParts& parts) {
  const auto& [name, networks, ports, server_names] = parts;
  Rule rule{.name = name, .networks = {}, .ports = {}, .server_names = server_names};
  for (const auto& [address, prefix_length] : networks) {
    rule.networks.push_back(Network{.address = address_of(address), .prefix_length = prefix_length});
  }
  for (const auto& [first, last] : ports) {
    rule.ports.push_back(PortRange{.first = first, .last = last});
  }
  return rule;
}

nb::str text_of(const char* text) { return nb::str(text == nullptr ? "" : text); }

// What an engine knows: opened, read, closed.
nb::dict classification_tables(const ClassificationOptions& options) {
  const Engine engine(options.shim, options.protocols_file);
  const ApplicationTable table(engine, options.rules);
  nb::list applications;
  const auto& all = table.applications();
  for (std::size_t number = 0; number < all.size(); ++number) {
    const auto& [application_id, name, category, breed, user_defined] = all[number];
    if (!name.empty()) {
      applications.append(
          nb::make_tuple(number, application_id, name, text_of(engine.category_name(category)), breed, user_defined));
    }
  }
  nb::list categories;
  for (std::uint32_t number = 0; number < engine.categories(); ++number) {
    const char* name = engine.category_name(static_cast<std::uint16_t>(number));
    if (name != nullptr) {
      categories.append(nb::make_tuple(number, name));
    }
  }
  nb::list risks;
  for (std::uint32_t bit = 0; bit < 64; ++bit) {
    if (const char* name = engine.risk_name(bit); name != nullptr) {
      risks.append(nb::make_tuple(bit, name));
    }
  }
  nb::dict tables;
  tables["engine"] = engine.name();
  tables["version"] = engine.version();
  tables["applications"] = applications;
  tables["categories"] = categories;
  tables["risks"] = risks;
  return tables;
}

}  // namespace
}  // namespace spanflow

NB_MODULE(_core, m) {
  using namespace spanflow;

  nb::set_leak_warnings(false);  // threads of the daemon may hold objects to the very end

  m.attr("RECORD_OCTETS") = sizeof(FlowRecord);
  m.attr("DIRECTION_OCTETS") = sizeof(DirectionRecord);
  m.def("record_layout", [] { return as_list(record_layout()); });
  m.def("direction_layout", [] { return as_list(direction_layout()); });
  nb::list details;
  for (const auto* name : kEndDetailNames) {
    details.append(name);
  }
  m.attr("END_DETAILS") = details;
  m.attr("CONTINUATION") = int{FlowRecord::flag_continuation};
  m.attr("FLOW_OCTETS") = FlowCache::kOctetsPerFlow;
  m.attr("CLASSIFICATION_OCTETS") = sizeof(Classification);
  m.attr("FIRST_PACKET_OCTETS") = sizeof(FirstPacket);

  nb::class_<FirstPacketsView>(m, "FirstPackets", nb::type_slots(buffer_slots<FirstPacketsView>));
  nb::class_<BatchView>(m, "Batch", nb::type_slots(buffer_slots<BatchView>))
      .def("__len__", [](const BatchView& view) { return view.batch->size(); })
      .def_prop_ro("ip_version", [](const BatchView& view) { return int{view.batch->ip_version()}; })
      .def_prop_ro("details",
                   [](const BatchView& view) {
                     const auto& details = view.batch->details();
                     return nb::bytes(details.data(), details.size());
                   })
      .def_prop_ro("first_packets", [](const nb::object& self) -> nb::object {
        const auto none = nb::inst_ptr<BatchView>(self)->batch->first_packets().empty();
        return none ? nb::none() : nb::cast(FirstPacketsView{self});
      });

  nb::register_exception_translator([](const std::exception_ptr& caught, void*) {
    try {
      std::rethrow_exception(caught);
    } catch (const std::system_error& error) {
      PyErr_SetObject(PyExc_OSError, nb::make_tuple(error.code().value(), error.what()).ptr());
    }
  });

  m.attr("EXPIRY_LAG_BOUNDS_MS") = std::vector<std::int64_t>(kExpiryLagBoundsMs.begin(), kExpiryLagBoundsMs.end());
  m.def("drop_capabilities", &drop_capabilities);
  m.def("install_crash_report", &install_crash_report);
  m.def("libpcap_version", &libpcap_version);
  m.def(
      "network_device",
      [](int socket, const std::string& name) -> nb::object {
        const auto device = find_network_device(socket, name);
        if (!device) {
          return nb::none();
        }
        return nb::make_tuple(device->index, device->up, device->link_type);
      },
      nb::arg("socket"), nb::arg("name"));

  nb::class_<Meter>(m, "Meter")
      .def(
          "pop",
          [](Meter& meter, int timeout_ms) -> nb::object {
            std::unique_ptr<Batch> batch;
            {
              const nb::gil_scoped_release release;
              batch = meter.pop(std::chrono::milliseconds(timeout_ms));
            }
            return batch == nullptr ? nb::none() : nb::cast(BatchView{std::move(batch)});
          },
          nb::arg("timeout_ms"))
      .def("finished", &Meter::finished)
      .def("set_capacity", &Meter::set_capacity, nb::arg("flows"))
      .def("counters",
           [](const Meter& meter) {
             nb::list all;
             for (const auto& counters : meter.counters()) {
               all.append(as_dict(counters));
             }
             return all;
           })
      .def("filter_error", &Meter::filter_error)
      .def("failure", &Meter::failure);

  nb::class_<ClassificationOptions>(m, "ClassificationOptions")
      .def(
          "__init__",
          [](ClassificationOptions* self, std::string shim, std::string protocols_file, std::uint8_t tcp_packets,
             std::uint8_t udp_packets, std::uint8_t other_packets, bool empty_packets, std::uint32_t max_flows,
             std::size_t memory_octets, bool http_details, const std::vector<RuleParts>& rules) {
            std::vector<Rule> converted;
            for (const auto& parts : rules) {
              converted.push_back(rule_of(parts));
            }
            new (self) ClassificationOptions{.shim = std::move(shim),
                                             .protocols_file = std::move(protocols_file),
                                             .tcp_packets = tcp_packets,
                                             .udp_packets = udp_packets,
                                             .other_packets = other_packets,
                                             .empty_packets = empty_packets,
                                             .max_flows = max_flows,
                                             .memory_octets = memory_octets,
                                             .http_details = http_details,
                                             .rules = std::move(converted)};
          },
          nb::kw_only(), nb::arg("shim"), nb::arg("protocols_file"), nb::arg("tcp_packets"), nb::arg("udp_packets"),
          nb::arg("other_packets"), nb::arg("empty_packets"), nb::arg("max_flows"), nb::arg("memory_octets"),
          nb::arg("http_details"), nb::arg("rules"));
  m.def("classification_tables", &classification_tables, nb::arg("options"));

  nb::class_<MeteringOptions>(m, "MeteringOptions")
      .def(
          "__init__",
          [](MeteringOptions* self, std::int64_t active_timeout_ns, std::int64_t inactive_timeout_ns,
             std::int64_t tcp_linger_ns, std::int64_t tcp_fin_timeout_ns, std::int64_t reorder_window_ns,
             std::uint32_t max_flows, std::uint32_t max_fragments, std::uint32_t first_packets, bool vlan_in_key,
             bool interface_in_key, bool preallocate, std::string filter,
             std::optional<ClassificationOptions> classification) {
            new (self) MeteringOptions{
                .timeouts = timeouts_of(active_timeout_ns, inactive_timeout_ns, tcp_linger_ns, tcp_fin_timeout_ns),
                .reorder_window_ns = reorder_window_ns,
                .max_flows = max_flows,
                .max_fragments = max_fragments,
                .first_packets = first_packets,
                .vlan_in_key = vlan_in_key,
                .interface_in_key = interface_in_key,
                .preallocate = preallocate,
                .filter = std::move(filter),
                .secret = random_secret(),
                .classification = std::move(classification)};
          },
          nb::kw_only(), nb::arg("active_timeout_ns"), nb::arg("inactive_timeout_ns"), nb::arg("tcp_linger_ns"),
          nb::arg("tcp_fin_timeout_ns"), nb::arg("reorder_window_ns"), nb::arg("max_flows"), nb::arg("max_fragments"),
          nb::arg("first_packets"), nb::arg("vlan_in_key"), nb::arg("interface_in_key"), nb::arg("preallocate"),
          nb::arg("filter"), nb::arg("classification") = nb::none());

  nb::class_<FileMeter, Meter>(m, "FileMeter")
      .def(
          "__init__",
          [](FileMeter* self, const std::vector<nb::bytes>& octets, const MeteringOptions& metering,
             std::uint32_t workers, std::size_t queue_octets) {
            std::vector<std::string> paths;  // file names are octets, in whatever encoding
            for (const auto& path : octets) {
              paths.emplace_back(path.c_str(), path.size());
            }
            new (self)
                FileMeter({.metering = metering, .workers = workers, .queue_octets = queue_octets}, std::move(paths));
          },
          nb::arg("paths"), nb::arg("metering"), nb::kw_only(), nb::arg("workers"), nb::arg("queue_octets"))
      .def("start", &FileMeter::start)
      .def("stop", &FileMeter::stop)
      .def("problems",
           [](const FileMeter& meter) {
             nb::list all;
             for (const auto& [path, problem] : meter.problems()) {
               all.append(nb::make_tuple(nb::bytes(path.data(), path.size()), name_of(problem.kind), problem.text));
             }
             return all;
           })
      .def("octets_read", &FileMeter::octets_read);

  nb::class_<LiveInterface>(m, "LiveInterface");
  m.def(
      "ring_interface",
      [](std::string name, std::string filter, const std::vector<int>& sockets, const std::vector<int>& spares,
         std::size_t ring_octets, int block_timeout_ms, std::uint32_t snap_octets, std::uint32_t exported_index,
         bool promiscuous) {
        const InterfaceOptions options{.name = name,
                                       .filter = filter,
                                       .ring_octets = ring_octets,
                                       .block_timeout = std::chrono::milliseconds(block_timeout_ms),
                                       .snap_octets = snap_octets,
                                       .exported_index = exported_index,
                                       .promiscuous = promiscuous};
        return LiveInterface(std::move(name), std::move(filter), PacketSource::open(options, sockets, spares));
      },
      nb::kw_only(), nb::arg("name"), nb::arg("filter"), nb::arg("sockets"), nb::arg("spares"), nb::arg("ring_octets"),
      nb::arg("block_timeout_ms"), nb::arg("snap_octets"), nb::arg("exported_index"), nb::arg("promiscuous"));
  m.def(
      "pcap_interface",
      [](std::string name, std::string filter, std::size_t ring_octets, int block_timeout_ms, std::uint32_t snap_octets,
         std::uint32_t exported_index, bool promiscuous) {
        auto device =
            std::make_unique<PcapDevice>(PcapDeviceOptions{.name = name,
                                                           .snap_octets = snap_octets,
                                                           .buffer_octets = ring_octets,
                                                           .timeout = std::chrono::milliseconds(block_timeout_ms),
                                                           .promiscuous = promiscuous});
        device->set_exported_index(exported_index);
        if (!link_type_supported(device->link_type())) {
          throw std::system_error(EPROTONOSUPPORT, std::generic_category(),
                                  "link type " + std::to_string(device->link_type()));
        }
        if (const auto problem = filter_problem(filter, device->link_type()); !problem.empty()) {
          throw std::invalid_argument("filter: " + problem);
        }
        LiveInterface::Sources sources;
        sources.push_back(std::move(device));
        return LiveInterface(std::move(name), std::move(filter), std::move(sources));
      },
      nb::kw_only(), nb::arg("name"), nb::arg("filter"), nb::arg("ring_octets"), nb::arg("block_timeout_ms"),
      nb::arg("snap_octets"), nb::arg("exported_index"), nb::arg("promiscuous"));

  nb::class_<LiveMeter, Meter>(m, "LiveMeter")
      .def(
          "__init__",
          [](LiveMeter* self, const std::vector<LiveInterface*>& opened, const MeteringOptions& metering,
             std::size_t queue_octets) {
            std::vector<LiveInterface> interfaces;
            for (auto* interface : opened) {
              interfaces.push_back(std::move(*interface));
            }
            new (self) LiveMeter({.metering = metering, .queue_octets = queue_octets}, std::move(interfaces));
          },
          nb::arg("interfaces"), nb::arg("metering"), nb::kw_only(), nb::arg("queue_octets"))
      .def("start", &LiveMeter::start)
      .def("stop", &LiveMeter::stop)
      .def(
          "set_timeouts",
          [](LiveMeter& meter, std::int64_t active_timeout_ns, std::int64_t inactive_timeout_ns,
             std::int64_t tcp_linger_ns, std::int64_t tcp_fin_timeout_ns) {
            meter.set_timeouts(timeouts_of(active_timeout_ns, inactive_timeout_ns, tcp_linger_ns, tcp_fin_timeout_ns));
          },
          nb::kw_only(), nb::arg("active_timeout_ns"), nb::arg("inactive_timeout_ns"), nb::arg("tcp_linger_ns"),
          nb::arg("tcp_fin_timeout_ns"))
      .def(
          "set_own_exports",
          [](LiveMeter& meter,
             const std::vector<std::tuple<nb::bytes, std::uint16_t, nb::bytes, std::uint16_t, std::uint8_t>>& flows) {
            std::vector<OwnExport> exports;
            for (const auto& [source, source_port, destination, destination_port, protocol] : flows) {
              exports.push_back(OwnExport{.source = address_of(source),
                                          .destination = address_of(destination),
                                          .source_port = source_port,
                                          .destination_port = destination_port,
                                          .protocol = protocol});
            }
            meter.set_own_exports(std::move(exports));
          },
          nb::arg("flows"))
      .def("states", [](const LiveMeter& meter) {
        nb::list all;
        for (const auto& state : meter.states()) {
          all.append(as_dict(state));
        }
        return all;
      });

  bind_text(m);
}
