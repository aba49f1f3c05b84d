import LumosGraph
import LumosModels
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// Memory of the video autoencoder at its published size.
@Suite struct VideoCoderPlanTests {
  private static func stage(
    _ stage: Stage, size: (Int, Int) = (480, 832), frames: Int = 81, _ precision: Precision
  ) throws -> StagePlan {
    try #require(try GenerationPlanTests.plan(size: size, frames: frames, precision: precision)[stage])
  }

  @Test("Decoding in half precision takes less than 3 GiB, however long the video", arguments: [5, 81, 161])
  func decoding(frames: Int) throws {
    let half = try Self.stage(.vaeDecode, frames: frames, .half(.f16))
    #expect(half.peakBytes <= 3 << 30)
    #expect(half.peakBytes == (try Self.stage(.vaeDecode, .half(.f16)).peakBytes))
    let single = try Self.stage(.vaeDecode, frames: frames, .single)
    // The caches are halved; the queue between the decoder's parts stays.
    let queue = 4 * 120 * 208 * 384 * 4
    #expect(2 * (half.cacheBytes - queue) == single.cacheBytes - queue)
    #expect(half.total(\.flops) == single.total(\.flops))
    #expect(Double(half.total(\.dispatches)) < 1.02 * Double(single.total(\.dispatches)))
  }

  @Test("Nothing of the upper levels is larger than one frame")
  func frameByFrame() throws {
    let frame = 480 * 832 * 96 * 4
    #expect(try Self.stage(.vaeDecode, .single).largestValueBytes == frame)
  }

  @Test("Reference images take less than 1 GiB and no caches", arguments: [Precision.single, .half(.f16)])
  func encoding(precision: Precision) throws {
    let plan = try Self.stage(.vaeEncode, precision)
    #expect(plan.peakBytes <= 1 << 30 && plan.cacheBytes == 0)
  }

  @Test("A size of which not even one frame fits is refused with its bytes")
  func refusal() throws {
    let plan = try GenerationPlanTests.plan("none", size: (1440, 2560), frames: 5, precision: .half(.f16))
    let decoding = try #require(plan[.vaeDecode])
    let shortage = try #require(plan.shortage(budget: 8 << 30))
    #expect(decoding.peakBytes > 8 << 30 && shortage.kind == .tryAgain)
  }
}
