// SPDX-License-Identifier: Apache-2.0
#include "handover/batch_pool.hpp"

#include <algorithm>
#include <utility>

namespace spanflow {

Batch::Batch(std::shared_ptr<BatchPool> pool, BatchStorage storage, std::uint8_t ip_version,
             std::size_t first_packets) noexcept
    : pool_(std::move(pool)), storage_(std::move(storage)), first_packets_(first_packets), ip_version_(ip_version) {}

Batch::~Batch() { pool_->give_back(std::move(storage_)); }

std::unique_ptr<Batch> Batch::fitted() const {
  auto smaller = pool_->take(ip_version_, size_, first_packets_);
  std::copy_n(storage_.records.begin(), size_, smaller->storage_.records.begin());
  std::copy_n(storage_.first_packets.begin(), size_ * first_packets_, smaller->storage_.first_packets.begin());
  smaller->storage_.details = storage_.details;
  smaller->size_ = size_;
  smaller->content_ = content_;
  return smaller;
}

std::unique_ptr<Batch> BatchPool::take(std::uint8_t ip_version, std::size_t records, std::size_t first_packets) {
  const auto size = std::find_if(kClasses.begin(), kClasses.end() - 1, [&](auto most) { return records <= most; });
  const auto index = static_cast<std::size_t>(size - kClasses.begin());
  BatchStorage storage;
  {
    const std::lock_guard lock(mutex_);
    if (!free_[index].empty()) {
      storage = std::move(free_[index].back());
      free_[index].pop_back();
    }
  }
  storage.records.resize(*size);
  storage.first_packets.resize(*size * first_packets);
  return std::make_unique<Batch>(shared_from_this(), std::move(storage), ip_version, first_packets);
}

void BatchPool::give_back(BatchStorage storage) noexcept {
  const auto size = std::find(kClasses.begin(), kClasses.end(), storage.records.size());
  if (size == kClasses.end()) {
    return;
  }
  storage.details.clear();
  const std::lock_guard lock(mutex_);
  auto& kept = free_[static_cast<std::size_t>(size - kClasses.begin())];
  if (kept.size() < kKeptPerClass) {
    kept.push_back(std::move(storage));
  }
}

}  // namespace spanflow
