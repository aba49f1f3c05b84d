"""What PyTorch reaches on this machine for the work that the engine does: the yardstick of `Tools/gpu-report`.

    python3 torch-baseline.py [--out FILE] [--height 480 --width 832] [--plain 1 --humans 3 3] [--layers 30]
                              [--scale 1/64] [--device cuda|cpu] [--skip compile,flex] [--seconds N]

One line of JSON per measurement, written as it comes, with the keys of `lumosx-bench --json`: "medianSeconds", "tflops",
"gbps" ... and "comparesTo", the titles of the cases of `lumosx-bench` that do the same work. FLOPs are useful ones:
self-attention counts only (query, key) pairs that relational attention allows, cross-attention only real text and one
key for all padding; so ratios compare work that is worth the same. Random data larger than the caches, device events,
medians. Needs torch >= 2.5 only.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F


def scale_of(text):
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--height", type=int, default=480)
parser.add_argument("--width", type=int, default=832)
parser.add_argument("--plain", type=int, default=1, help="reference images that stand alone")
parser.add_argument("--humans", type=int, nargs="*", default=[3, 3], help="reference images of each person")
parser.add_argument("--layers", type=int, default=30)
parser.add_argument("--scale", default="1", help="pixels of a frame relative to the size, as lumosx-bench ops takes it")
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
parser.add_argument("--skip", default="", help="of: gemm attention flex cross conv block evaluation compile")
parser.add_argument("--seconds", type=float, default=1e9, help="measurements that would begin later are left out")
args = parser.parse_args()

start = time.time()
skip = set(filter(None, args.skip.split(",")))
device = torch.device(args.device)
on_gpu = device.type == "cuda"
scale = scale_of(args.scale)
width, heads, hidden, text, real_text = 1536, 12, 8960, 512, 101
head = width // heads


def extent(pixels):
    return max(1, int(pixels // 16 * scale**0.5 + 0.5))


rows, columns = extent(args.height), extent(args.width)
area, frames = rows * columns, 21
conditions = args.plain + sum(args.humans)
video, tokens = frames * area, (frames + conditions) * area
spans, at = [(0, video, 0, tokens)], video
for images in [1] * args.plain + args.humans:
    spans.append((at, at + images * area, at, at + images * area))
    at += images * area
pairs = sum((q1 - q0) * (k1 - k0) for q0, q1, k0, k1 in spans)

at_scale = "" if scale == 1 else f" at scale {args.scale}"
size = f"{args.height}x{args.width}x81, {conditions} conditions{at_scale}"
frame_size = f"{args.height}x{args.width}{at_scale}"
names = {torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32"}
half_types = [torch.bfloat16, torch.float16]
log = open(args.out, "w") if args.out else None


def say(name, **keys):
    line = json.dumps({"baseline": "torch", "name": name, **keys})
    print(line, flush=True)
    if log:
        log.write(line + "\n")
        log.flush()


def timed(run, runs=10, warm_ups=3, budget=10.0):
    """Seconds of each run."""
    for _ in range(warm_ups if on_gpu else 1):
        run()
    if on_gpu:
        torch.cuda.synchronize()
    seconds, stop = [], time.time() + budget
    for _ in range(runs):
        if on_gpu:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            run()
            end.record()
            end.synchronize()
            seconds.append(begin.elapsed_time(end) / 1e3)
        else:
            begin = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - begin)
        if time.time() > stop and len(seconds) >= 3:
            break
    return seconds


def measure(name, run, flops=0, bytes=0, compares=(), **keys):
    """A missing feature is a result, not an end."""
    if time.time() - start > args.seconds:
        return say(name, error="the time is up")
    try:
        seconds = timed(run)
    except Exception as error:
        return say(name, error=f"{type(error).__name__}: {str(error)[:200]}")
    median = statistics.median(seconds)
    rates = {}
    if flops:
        rates["tflops"] = flops / median / 1e12
    if bytes:
        rates["gbps"] = bytes / median / 1e9
    say(
        name, medianSeconds=median, minSeconds=min(seconds), maxSeconds=max(seconds), runs=len(seconds), **rates,
        comparesTo=list(compares), **keys)


def randn(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device=device, dtype=dtype)


say(
    "facts", torch=torch.__version__, device=torch.cuda.get_device_name() if on_gpu else "cpu", tokens=tokens,
    capability=".".join(map(str, torch.cuda.get_device_capability())) if on_gpu else "")


def measure_copy():
    count = (1 << 31 if on_gpu else 1 << 26) if scale == 1 else 1 << 24
    source = torch.empty(count, device=device, dtype=torch.uint8).random_(0, 255)
    target = torch.empty_like(source)
    measure("copy", lambda: target.copy_(source), bytes=2 * count, compares=["copy"])


def measure_products():
    for inputs, outputs, title in [
        (width, width, "Linear: attention projection"), (width, 3 * width, "MultiLinear: query, key and value"),
        (width, hidden, "Linear: feed forward in"), (hidden, width, "Linear: feed forward out"),
    ]:
        for dtype in half_types:
            x, weight, bias = (randn(*s, dtype=dtype) for s in [(tokens, inputs), (outputs, inputs), (outputs,)])
            measure(
                f"F.linear {tokens}x{inputs} to {outputs}, {names[dtype]}", lambda: F.linear(x, weight, bias),
                2 * tokens * inputs * outputs, compares=[f"{title}, {size}, {names[dtype]}"])
    if scale == 1 and on_gpu:
        x, weight = randn(8192, 8192), randn(8192, 8192)
        measure("F.linear 8192x8192 to 8192, bf16", lambda: F.linear(x, weight), 2 * 8192**3)


def by_spans(q, k, v):
    return [F.scaled_dot_product_attention(q[:, :, a:b], k[:, :, c:d], v[:, :, c:d]) for a, b, c, d in spans]


def measure_attention():
    compares = [f"Attention: self-attention, {size}, {t}" for t in ["bf16", "f16"]]
    q, k, v = (randn(1, heads, tokens, head) for _ in range(3))
    measure(
        "self-attention, dense SDPA without mask", lambda: F.scaled_dot_product_attention(q, k, v),
        4 * tokens * tokens * width, compares=compares)
    measure("self-attention, SDPA per span", lambda: by_spans(q, k, v), 4 * pairs * width, compares=compares)
    if "flex" in skip:
        return
    name = "self-attention, FlexAttention compiled"
    try:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        owner = torch.zeros(tokens, dtype=torch.int32, device=device)  # 0 is the video, then a number per group
        for index, (first, last, _, _) in enumerate(spans):
            owner[first:last] = index
        mask = create_block_mask(
            lambda b, h, i, j: (owner[i] == 0) | (owner[i] == owner[j]), None, None, tokens, tokens, device=args.device)
        flex = torch.compile(flex_attention)
        measure(name, lambda: flex(q, k, v, block_mask=mask), 4 * pairs * width, compares=compares)
    except Exception as error:
        say(name, error=f"{type(error).__name__}: {str(error)[:200]}")


def measure_cross_attention():
    compares = [f"Attention: cross-attention, {size}, {t}" for t in ["bf16", "f16"]]
    q = randn(1, heads, tokens, head)
    k, v = randn(1, heads, text, head), randn(1, heads, text, head)
    useful = 4 * tokens * real_text * width
    if conditions:
        bias = randn(1, heads, tokens, text)
        measure(
            "cross-attention, 512 keys, bias tensor as published",
            lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=bias), useful, compares=compares)
        del bias
    measure(
        "cross-attention, 512 keys, without bias", lambda: F.scaled_dot_product_attention(q, k, v), useful,
        compares=compares)


def measure_convolutions():
    for channels, zoom, count, level in [
        (384, 2, 1, "384 channels, first level"), (384, 4, 2, "384 channels, second level"),
        (192, 8, 1, "192 channels, third level"), (96, 16, 1, "96 channels, last level"),
    ]:
        h, w = rows * zoom, columns * zoom
        for dtype in half_types + [torch.float32]:
            x = randn(1, channels, count + 2, h + 2, w + 2, dtype=dtype)
            weight = randn(channels, channels, 3, 3, 3, dtype=dtype)
            measure(
                f"F.conv3d 3x3x3, {channels} channels, {count}x{h}x{w}, {names[dtype]}", lambda: F.conv3d(x, weight),
                2 * 27 * channels * channels * count * h * w,
                compares=[f"Conv3D: {level}, {frame_size}, {names[dtype]}"])


class Block(torch.nn.Module):
    """A transformer block in the published precision: bf16 products, float32 residual stream."""

    def __init__(self):
        super().__init__()

        def linear(inputs, outputs):
            return torch.nn.Linear(inputs, outputs, dtype=torch.bfloat16, device=device)

        self.q, self.k, self.v, self.o = (linear(width, width) for _ in range(4))
        self.text_q, self.text_k, self.text_v, self.text_o = (linear(width, width) for _ in range(4))
        self.into, self.out = linear(width, hidden), linear(hidden, width)
        self.gains = torch.nn.Parameter(torch.ones(4, width, device=device, dtype=torch.bfloat16))
        self.norm = torch.nn.LayerNorm(width, eps=1e-6, device=device)
        self.modulation = torch.nn.Parameter(torch.randn(6, width, device=device) / width**0.5)

    @staticmethod
    def rms(x, gain):
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).bfloat16() * gain

    @staticmethod
    def split(x):
        return x.view(1, -1, heads, head).transpose(1, 2)

    @staticmethod
    def rotate(x, angles):
        cosine, sine = angles
        u, w = x[..., 0::2].float(), x[..., 1::2].float()
        return torch.stack([u * cosine - w * sine, u * sine + w * cosine], -1).flatten(-2).bfloat16()

    def forward(self, x, time_table, context, angles, bias):
        m = (self.modulation + time_table).unbind(0)
        y = (F.layer_norm(x, (width,), eps=1e-6) * (1 + m[1]) + m[0]).bfloat16()
        q = self.rotate(self.split(self.rms(self.q(y), self.gains[0])), angles)
        k = self.rotate(self.split(self.rms(self.k(y), self.gains[1])), angles)
        y = torch.cat(by_spans(q, k, self.split(self.v(y))), 2)
        x = x + self.o(y.transpose(1, 2).flatten(2)).float() * m[2]
        y = self.norm(x).bfloat16()
        q = self.split(self.rms(self.text_q(y), self.gains[2]))
        k, v = self.split(self.rms(self.text_k(context), self.gains[3])), self.split(self.text_v(context))
        parts = [F.scaled_dot_product_attention(q[:, :, :video], k, v)]
        if conditions:
            parts.append(F.scaled_dot_product_attention(q[:, :, video:], k, v, attn_mask=bias))
        x = x + self.text_o(torch.cat(parts, 2).transpose(1, 2).flatten(2)).float()
        y = (F.layer_norm(x, (width,), eps=1e-6) * (1 + m[4]) + m[3]).bfloat16()
        return x + self.out(F.gelu(self.into(y), approximate="tanh")).float() * m[5]


def measure_network():
    per_block = 2 * tokens * (6 * width * width + 2 * width * hidden) + 4 * pairs * width + 4 * tokens * real_text * width
    x, time_table = randn(1, tokens, width, dtype=torch.float32), randn(6, width, dtype=torch.float32)
    turns = randn(tokens, head // 2, dtype=torch.float32)
    inputs = (
        time_table, randn(1, text, width), (turns.cos(), turns.sin()),
        randn(1, heads, tokens - video, text) if conditions else None)
    compiles = "compile" not in skip
    blocks = torch.nn.ModuleList([Block() for _ in range(args.layers if "evaluation" not in skip else 1)])

    def evaluate():
        y = x
        for block in blocks:
            y = block(y, *inputs)
        return y

    flops = per_block * len(blocks)
    name = f"evaluation, {len(blocks)} blocks"
    with torch.no_grad():
        if "block" not in skip:
            measure("block, eager", lambda: blocks[0](x, *inputs), per_block)
        if "evaluation" not in skip:
            measure(f"{name}, eager", evaluate, flops, compares=["transformer"])
        if compiles and "block" not in skip:
            fast = torch.compile(blocks[0])
            measure("block, torch.compile", lambda: fast(x, *inputs), per_block)
        if compiles and "evaluation" not in skip:
            for block in blocks:
                block.compile()
            measure(f"{name}, torch.compile", evaluate, flops, compares=["transformer"])
    if on_gpu:
        say("memory", peakBytes=torch.cuda.max_memory_allocated())


measure_copy()
for part, run in [
    ("gemm", measure_products), ("attention", measure_attention), ("cross", measure_cross_attention),
    ("conv", measure_convolutions), ("network", measure_network),
]:
    if part in skip:
        continue
    try:
        run()
    except Exception as error:
        say(part, error=f"{type(error).__name__}: {str(error)[:200]}")
    if on_gpu:
        torch.cuda.empty_cache()
say("done", seconds=time.time() - start)
