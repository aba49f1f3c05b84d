import LumosGraph
import LumosPipeline
import Testing

@Suite struct ProfileTableTests {
  @Test func columnsAreAligned() {
    let recorder = ProfileRecorder()
    func operation(_ op: String, _ kernel: String = "", flops: Int, bytes: Int) -> Profile.Operation {
      Profile.Operation(op: op, label: "", kernel: kernel, flops: flops, bytes: bytes)
    }
    recorder.record(
      [
        (operation("Linear", flops: 3_000_000_000_000, bytes: 0), 0..<1_500_000_000),
        (operation("Slice", flops: 0, bytes: 12_345_678), 1_500_000_000..<2_000_000_000),
      ], on: Profile.Queue(device: "d", name: "q"))
    recorder.record(.wait, "", time: 0..<2_000_000_000)
    recorder.record(.run, "", time: 0..<2_000_100_000)
    #expect(
      ProfileTable(recorder.profile).description == """
        op      count  seconds    share  TFLOP/s     GB/s
        Linear      1   1.5000   75.0 %     2.00        -
        Slice       1   0.5000   25.0 %        -  0.02469
        all         2   2.0000  100.0 %     1.50  0.00617

        host        count  seconds    share
        run, other      1   0.0001    0.0 %
        wait            1   2.0000  100.0 %
        all                 2.0001  100.0 %
        """)
    #expect(ProfileTable(ProfileRecorder().profile).description == "nothing was recorded")
  }

  @Test func variantsOfAnOpStandBesideItsName() {
    let recorder = ProfileRecorder()
    let operations = ["Linear.vector.f16", "Linear.tiles.f16", "Linear.vector.f16", "reference"].map {
      Profile.Operation(op: "Linear", label: "", kernel: $0, flops: 1, bytes: 1)
    }
    recorder.record(
      operations.enumerated().map { ($1, $0..<$0 + 1) }, on: Profile.Queue(device: "d", name: "q"))
    #expect(ProfileTable(recorder.profile).description.contains("\nLinear: tiles.f16, vector.f16      4 "))
  }
}
