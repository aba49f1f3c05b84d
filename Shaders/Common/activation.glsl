// Nonlinearities: for the kernel Activation, and for kernels that apply one to what they have just computed. The kinds
// are those of Activation.Kind.constant in Sources/LumosVulkan/Ops/Activation+Vulkan.swift.
const uint ACTIVATION_NONE = 0;
const uint ACTIVATION_SILU = 1;
const uint ACTIVATION_GELU_TANH = 2;

// 1 / (1 + e^-v). The exponential is only taken of numbers up to 0, so that nothing overflows.
float sigmoid(float v) {
  const float e = exp(-min(abs(v), 110.0));
  return (v >= 0 ? 1.0 : e) / (1.0 + e);
}

float silu(float x) { return x * sigmoid(x); }

// (1 + tanh u) / 2 = sigmoid(2 u); tanh itself overflows or cancels on some drivers. Beyond |x| = 30 sigmoid is 0 or 1,
// and the clamp keeps the cube finite.
float gelu_tanh(float x) {
  const float c = clamp(x, -30.0, 30.0);
  const float u = 0.7978845608028654 * (c + 0.044715 * c * c * c);
  return x * sigmoid(2.0 * u);
}

float activate(uint kind, float x) {
  if (kind == ACTIVATION_SILU) return silu(x);
  if (kind == ACTIVATION_GELU_TANH) return gelu_tanh(x);
  return x;
}
