import LumosTensor
import Synchronization
import Testing

@Suite struct FaultPlanTests {
  @Test func countsAndStrikesOnce() {
    let plan = FaultPlan()
    #expect((0..<3).map { _ in plan.strikes(.mapping) } == [false, false, false])
    #expect(plan.count(.mapping) == 3 && plan.count(.allocation) == 0)
    plan.arm(.allocation, at: 1)
    #expect(plan.count(.mapping) == 0)
    #expect((0..<4).map { _ in plan.strikes(.allocation) } == [false, true, false, false])
    #expect((0..<4).map { _ in plan.strikes(.mapping) } == [false, false, false, false])
    plan.arm(.allocation, at: 1, persistent: true)
    #expect((0..<4).map { _ in plan.strikes(.allocation) } == [false, true, true, true])
    plan.disarm()
    #expect(!plan.strikes(.allocation) && plan.count(.allocation) == 1)
  }

  @Test func countsFromManyTasks() async {
    let plan = FaultPlan()
    plan.arm(.submission, at: 100)
    let struck = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 { group.addTask { (0..<50).count { _ in plan.strikes(.submission) } } }
      return await group.reduce(0, +)
    }
    #expect(struck == 1 && plan.count(.submission) == 400)
  }
}
