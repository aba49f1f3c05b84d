import LumosTensor

/// How many reference images a scene has, without the scene.
///
/// Written as letters with numbers: `b1` a background, `o2` two objects, `h3,2` one person with three images and one
/// with two; `b1o2h3,2` is all of it, in this order, and `none` no images. What is absent counts zero.
public struct SceneOutline: Sendable, Hashable {
  /// Images that belong to no person.
  public let plainConditions: Int
  /// Images of each person.
  public let humanGroups: [Int]

  /// Images in all.
  public var conditions: Int { plainConditions + humanGroups.reduce(0, +) }

  /// The most images that an outline may have.
  public static let mostConditions = 100

  /// An outline with so many images; no person without any.
  public init(plainConditions: Int, humanGroups: [Int]) {
    self.plainConditions = plainConditions
    self.humanGroups = humanGroups
  }

  /// Parses an outline.
  /// - Throws: `LumosError(.usage)` for anything malformed, a second background, a person without images, and more than
  ///   `mostConditions` images.
  public init(_ text: String) throws(LumosError) {
    func refusal(_ reason: String) -> LumosError {
      LumosError(
        .usage, "the layout \"\(text)\" \(reason)", at: "--layout",
        advice: "write b1o2h3,2: one background, two objects, a person with three images and one with two")
    }
    var numbers: [Character: [Int]] = [:]
    var rest = Substring(text.lowercased())
    if rest == "none" { rest = "" } else if rest.isEmpty { throw refusal("is empty") }
    for letter in "boh" where rest.first == letter {
      rest = rest.dropFirst()
      let list = rest.prefix { $0.isASCII && $0.isNumber || $0 == "," }
      rest = rest.dropFirst(list.count)
      let parsed = list.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      guard parsed.allSatisfy({ $0 != nil }) else { throw refusal("lacks a number behind \(letter)") }
      numbers[letter] = parsed.compactMap { $0 }
    }
    guard rest.isEmpty else { throw refusal("is not understood at \"\(rest)\"") }
    let (backgrounds, objects) = (numbers["b"] ?? [0], numbers["o"] ?? [0])
    guard backgrounds.count == 1, objects.count == 1 else { throw refusal("has a list where one number belongs") }
    guard backgrounds[0] <= 1 else { throw refusal("has more than one background") }
    let groups = numbers["h"] ?? []
    guard groups.allSatisfy({ $0 > 0 }) else { throw refusal("has a person without images") }
    let most = Self.mostConditions
    guard ([backgrounds[0], objects[0]] + groups).allSatisfy({ $0 <= most }), groups.count <= most,
      backgrounds[0] + objects[0] + groups.reduce(0, +) <= most
    else { throw refusal("has more than \(most) images") }
    plainConditions = backgrounds[0] + objects[0]
    humanGroups = groups
  }
}
