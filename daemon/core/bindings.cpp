// SPDX-License-Identifier: Apache-2.0
// The only file that knows Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "handover/record_layout.hpp"
#include "meter.hpp"

namespace nb = nanobind;

namespace spanflow {
namespace {

// What Python holds of a batch. Exports its records as read-only octets; the memory lives as long as the last view.
struct BatchView {
  std::unique_ptr<Batch> batch;
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  if ((flags & PyBUF_WRITABLE) != 0) {
    PyErr_SetString(PyExc_BufferError, "a batch is read-only");
    view->obj = nullptr;
    return -1;
  }
  const auto records = nb::inst_ptr<BatchView>(nb::handle(self))->batch->records();
  return PyBuffer_FillInfo(view, self, const_cast<FlowRecord*>(records.data()),
                           static_cast<Py_ssize_t>(records.size_bytes()), 1, flags);
}

PyType_Slot batch_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};

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

}  // namespace
}  // namespace spanflow

NB_MODULE(_core, m) {
  using namespace spanflow;

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

  nb::class_<BatchView>(m, "Batch", nb::type_slots(batch_slots))
      .def("__len__", [](const BatchView& view) { return view.batch->size(); })
      .def_prop_ro("ip_version", [](const BatchView& view) { return int{view.batch->ip_version()}; });

  nb::class_<Meter>(m, "Meter")
      .def(
          "__init__",
          [](Meter* self, const std::vector<nb::bytes>& octets, std::int64_t active_timeout_ns,
             std::int64_t inactive_timeout_ns, std::int64_t tcp_linger_ns, std::int64_t tcp_fin_timeout_ns,
             std::int64_t reorder_window_ns, std::uint32_t max_flows, std::uint32_t max_fragments, bool vlan_in_key,
             bool interface_in_key, bool preallocate, std::string filter, std::uint32_t workers,
             std::size_t queue_octets) {
            const MeterOptions options{.metering = {.timeouts = {.active_ns = or_never(active_timeout_ns),
                                                                 .inactive_ns = or_never(inactive_timeout_ns),
                                                                 .tcp_linger_ns = tcp_linger_ns,
                                                                 .tcp_fin_timeout_ns = or_never(tcp_fin_timeout_ns)},
                                                    .reorder_window_ns = reorder_window_ns,
                                                    .max_flows = max_flows,
                                                    .max_fragments = max_fragments,
                                                    .vlan_in_key = vlan_in_key,
                                                    .interface_in_key = interface_in_key,
                                                    .preallocate = preallocate,
                                                    .worker = 0,
                                                    .filter = std::move(filter),
                                                    .secret = random_secret()},
                                       .workers = workers,
                                       .queue_octets = queue_octets};
            std::vector<std::string> paths;  // file names are octets, in whatever encoding
            for (const auto& path : octets) {
              paths.emplace_back(path.c_str(), path.size());
            }
            new (self) Meter(options, std::move(paths));
          },
          nb::arg("paths"), nb::kw_only(), nb::arg("active_timeout_ns"), nb::arg("inactive_timeout_ns"),
          nb::arg("tcp_linger_ns"), nb::arg("tcp_fin_timeout_ns"), nb::arg("reorder_window_ns"), nb::arg("max_flows"),
          nb::arg("max_fragments"), nb::arg("vlan_in_key"), nb::arg("interface_in_key"), nb::arg("preallocate"),
          nb::arg("filter"), nb::arg("workers"), nb::arg("queue_octets"))
      .def("start", &Meter::start)
      .def("stop", &Meter::stop)
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
      .def("counters",
           [](const Meter& meter) {
             nb::list all;
             for (const auto& counters : meter.counters()) {
               all.append(as_dict(counters));
             }
             return all;
           })
      .def("problems",
           [](const Meter& meter) {
             nb::list all;
             for (const auto& [path, problem] : meter.problems()) {
               all.append(nb::make_tuple(nb::bytes(path.data(), path.size()), name_of(problem.kind), problem.text));
             }
             return all;
           })
      .def("octets_read", &Meter::octets_read)
      .def("filter_error", &Meter::filter_error)
      .def("failure", &Meter::failure);
}
