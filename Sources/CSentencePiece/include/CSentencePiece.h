/// A C face on the C++ library SentencePiece: loading a model and splitting text. No C++ type and no exception passes
/// through it.
#ifndef CSENTENCEPIECE_H
#define CSENTENCEPIECE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A loaded model. Encoding may happen from several threads at once.
typedef struct sp_model sp_model;

/// What a piece is.
typedef enum sp_kind {
  sp_kind_normal,
  sp_kind_unknown,
  sp_kind_control,
  sp_kind_unused,
  /// One byte, `<0x41>`: stands for a part of a character that is not in the vocabulary.
  sp_kind_byte,
  /// There is no such piece.
  sp_kind_none,
} sp_kind;

/// A model from the bytes of a `.model` file. NULL on failure; then `error` (of `capacity` bytes) says why.
sp_model *sp_create(const void *bytes, size_t count, char *error, size_t capacity);

/// Frees a model; NULL is allowed.
void sp_destroy(sp_model *model);

/// Splits `count` bytes of UTF-8 into piece ids. Writes at most `id_capacity` of them to `ids` and returns how many
/// there are; on failure returns -1 and `error` says why.
int64_t sp_encode(
    const sp_model *model, const char *text, size_t count, int32_t *ids, size_t id_capacity, char *error,
    size_t capacity);

/// Number of pieces.
int32_t sp_count(const sp_model *model);

/// The text of a piece, valid as long as the model; NULL if there is no such piece.
const char *sp_piece(const sp_model *model, int32_t id);

/// What a piece is.
sp_kind sp_kind_of(const sp_model *model, int32_t id);

/// Ids of the pieces with a part of their own, -1 where the model has none.
int32_t sp_pad_id(const sp_model *model);
int32_t sp_end_id(const sp_model *model);
int32_t sp_unknown_id(const sp_model *model);

#ifdef __cplusplus
}
#endif

#endif
