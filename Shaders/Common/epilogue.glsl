// What happens to an element of a product on its way out, fixed when the pipeline is made: nothing or a nonlinearity
// (the kinds of activation.glsl), or one of the sums below. The values are those of Linear.Epilogue.constant in
// Sources/LumosVulkan/ProductTile.swift. Operands that the epilogue does not have are not read. The operations are those
// of the separate kernels, in the same order.
#include "Common/types.glsl"
#include "Common/activation.glsl"

const uint EPILOGUE_NONE = ACTIVATION_NONE;
const uint EPILOGUE_ADD = 3;
const uint EPILOGUE_GATED_ADD = 4;

// The gate of a column.
float load_gate(FloatsIn gate, uint epilogue, uint column) {
  if (epilogue == EPILOGUE_GATED_ADD) return gate.at[column];
  return 1;
}

// An element of the result, from the sum (with bias) that belongs there and the residual in its place.
float combine(float sum, float residual, float gate, uint epilogue) {
  if (epilogue == EPILOGUE_ADD) return residual + sum;
  if (epilogue == EPILOGUE_GATED_ADD) return residual + sum * gate;
  return activate(epilogue, sum);
}

// The same for element `at` of a residual that may be absent.
float finish(float sum, FloatsIn residual, float gate, uint epilogue, uint at) {
  const bool has_residual = epilogue == EPILOGUE_ADD || epilogue == EPILOGUE_GATED_ADD;
  return combine(sum, has_residual ? residual.at[at] : 0, gate, epilogue);
}
