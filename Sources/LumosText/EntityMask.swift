/// Where a prompt speaks of an entity (MODEL.md section 4).
public enum EntityMask {
  /// The prompt positions that any occurrence of the word's ids covers, ascending; occurrences may overlap.
  ///
  /// Matching is on ids, so it is case-sensitive and anchored at the start of a word but not at its end. Nothing matches
  /// an empty word.
  ///
  /// - Parameters:
  ///   - promptIDs: ids of the prompt, padding included if padding is to be searched.
  ///   - wordIDs: ids of the word; what follows the first `endID` does not count.
  public static func positions(promptIDs: [Int32], wordIDs: [Int32], endID: Int32 = 1) -> [Int] {
    let word = wordIDs.prefix { $0 != endID }
    guard !word.isEmpty, word.count <= promptIDs.count else { return [] }
    var positions: [Int] = []
    for start in 0...promptIDs.count - word.count where promptIDs[start..<start + word.count].elementsEqual(word) {
      positions += max(start, (positions.last ?? -1) + 1)..<start + word.count
    }
    return positions
  }

  /// The same as a mask over the `length` positions of the padded prompt.
  ///
  /// - Parameter promptIDs: ids of the prompt without padding, at most `length`.
  public static func mask(
    promptIDs: [Int32], wordIDs: [Int32], length: Int, padID: Int32 = 0, endID: Int32 = 1
  ) -> [Bool] {
    precondition(promptIDs.count <= length, "\(promptIDs.count) ids for \(length) positions")
    let padded = promptIDs + Array(repeating: padID, count: length - promptIDs.count)
    var mask = [Bool](repeating: false, count: length)
    for position in positions(promptIDs: padded, wordIDs: wordIDs, endID: endID) { mask[position] = true }
    return mask
  }
}
