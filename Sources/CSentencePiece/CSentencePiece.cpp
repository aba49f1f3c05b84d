#include "CSentencePiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

struct sp_model {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

void explain(const char *what, char *error, size_t capacity) {
  if (error != nullptr && capacity > 0) std::snprintf(error, capacity, "%s", what);
}

/// What `body` returns, or `fallback` if it throws.
template <typename Result, typename Body>
Result guarded(Result fallback, char *error, size_t capacity, Body body) noexcept {
  try {
    return body();
  } catch (const std::exception &exception) {
    explain(exception.what(), error, capacity);
  } catch (...) {
    explain("unknown exception", error, capacity);
  }
  return fallback;
}

bool has(const sp_model *model, int32_t id) { return id >= 0 && id < model->processor.GetPieceSize(); }

}  // namespace

extern "C" {

sp_model *sp_create(const void *bytes, size_t count, char *error, size_t capacity) {
  return guarded<sp_model *>(nullptr, error, capacity, [&]() -> sp_model * {
    auto model = std::make_unique<sp_model>();
    const auto status = model->processor.LoadFromSerializedProto({static_cast<const char *>(bytes), count});
    if (!status.ok()) {
      explain(status.ToString().c_str(), error, capacity);
      return nullptr;
    }
    return model.release();
  });
}

void sp_destroy(sp_model *model) { delete model; }

int64_t sp_encode(
    const sp_model *model, const char *text, size_t count, int32_t *ids, size_t id_capacity, char *error,
    size_t capacity) {
  return guarded<int64_t>(-1, error, capacity, [&]() -> int64_t {
    std::vector<int> pieces;
    const auto status = model->processor.Encode({text, count}, &pieces);
    if (!status.ok()) {
      explain(status.ToString().c_str(), error, capacity);
      return -1;
    }
    std::copy_n(pieces.begin(), std::min(pieces.size(), id_capacity), ids);
    return static_cast<int64_t>(pieces.size());
  });
}

int32_t sp_count(const sp_model *model) { return model->processor.GetPieceSize(); }

const char *sp_piece(const sp_model *model, int32_t id) {
  return has(model, id) ? model->processor.IdToPiece(id).c_str() : nullptr;
}

sp_kind sp_kind_of(const sp_model *model, int32_t id) {
  if (!has(model, id)) return sp_kind_none;
  const auto &processor = model->processor;
  if (processor.IsUnknown(id)) return sp_kind_unknown;
  if (processor.IsControl(id)) return sp_kind_control;
  if (processor.IsByte(id)) return sp_kind_byte;
  if (processor.IsUnused(id)) return sp_kind_unused;
  return sp_kind_normal;
}

int32_t sp_pad_id(const sp_model *model) { return model->processor.pad_id(); }
int32_t sp_end_id(const sp_model *model) { return model->processor.eos_id(); }
int32_t sp_unknown_id(const sp_model *model) { return model->processor.unk_id(); }

}  // extern "C"
