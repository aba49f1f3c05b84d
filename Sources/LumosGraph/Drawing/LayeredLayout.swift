/// Places a graph's boxes in layers: every arrow leads downwards (Sugiyama's method, in its plainest form).
///
/// A box stands one layer below the lowest of those that it reads from. Arrows that pass layers get a bend in each.
/// Within a layer, boxes are ordered by the mean place of their neighbours, which leaves few crossings, and then shifted
/// towards them as far as there is room.
struct LayeredLayout {
  /// A box or a bend, with the middle of its place.
  struct Place {
    var x = 0.0
    var y = 0.0
    let width: Double
    let height: Double
  }

  /// Places of the boxes, in their order.
  let boxes: [Place]
  /// Points of each arrow, from the bottom of its first box to the top of its last.
  let paths: [[(x: Double, y: Double)]]
  /// Width of everything; it begins at 0.
  let width: Double
  /// Height of everything.
  let height: Double

  private static let gap = 16.0
  private static let layerGap = 30.0
  private static let sweeps = 24

  /// - Parameters:
  ///   - sizes: width and height of each box.
  ///   - edges: arrows; the first index stands before the second one in `sizes`.
  ///   - isSource: whether a box is there from the beginning and should stand just above its first reader.
  init(sizes: [(width: Double, height: Double)], edges: [GraphDrawing.Edge], isSource: [Bool]) {
    var places = sizes.map { Place(width: $0.width, height: $0.height) }
    var layers = Self.layers(count: sizes.count, edges, isSource)

    // Bends, so that every link joins neighbouring layers.
    var links: [(from: Int, to: Int)] = []
    var chains: [[Int]] = []
    for edge in edges {
      var chain = [edge.from]
      for layer in stride(from: layers[edge.from] + 1, to: layers[edge.to], by: 1) {
        places.append(Place(width: 4, height: 0))
        layers.append(layer)
        chain.append(places.count - 1)
      }
      chain.append(edge.to)
      links += zip(chain, chain.dropFirst()).map { (from: $0, to: $1) }
      chains.append(chain)
    }

    var rows = [[Int]](repeating: [], count: (layers.max() ?? -1) + 1)
    for index in places.indices { rows[layers[index]].append(index) }
    var above = [[Int]](repeating: [], count: places.count)
    var below = above
    for link in links {
      above[link.to].append(link.from)
      below[link.from].append(link.to)
    }
    Self.order(&rows, above, below)
    Self.place(rows, above, below, &places)

    var y = 0.0
    for row in rows {
      let height = row.map { places[$0].height }.max() ?? 0
      for index in row { places[index].y = y + height / 2 }
      y += height + Self.layerGap
    }
    let left = places.map { $0.x - $0.width / 2 }.min() ?? 0
    for index in places.indices { places[index].x -= left }
    width = places.map { $0.x + $0.width / 2 }.max() ?? 0
    height = max(0, y - Self.layerGap)
    boxes = Array(places.prefix(sizes.count))
    paths = chains.map { chain in
      chain.map { index in
        let place = places[index]
        let edge = index == chain.first ? place.height / 2 : index == chain.last ? -place.height / 2 : 0
        return (x: place.x, y: place.y + edge)
      }
    }
  }

  private static func layers(count: Int, _ edges: [GraphDrawing.Edge], _ isSource: [Bool]) -> [Int] {
    var layers = [Int](repeating: 0, count: count)
    // Readers stand behind what they read, so one pass in that order is enough.
    for edge in edges.sorted(by: { ($0.to, $0.from) < ($1.to, $1.from) }) {
      layers[edge.to] = max(layers[edge.to], layers[edge.from] + 1)
    }
    for index in 0..<count where isSource[index] {
      let readers = edges.filter { $0.from == index }.map { layers[$0.to] }
      if let first = readers.min() { layers[index] = first - 1 }
    }
    return layers
  }

  /// Sorts each layer by the mean position of the neighbours, downwards and upwards in turn, and keeps the best order.
  private static func order(_ rows: inout [[Int]], _ above: [[Int]], _ below: [[Int]]) {
    func positions(_ rows: [[Int]]) -> [Int: Int] {
      Dictionary(uniqueKeysWithValues: rows.flatMap { row in row.enumerated().map { ($1, $0) } })
    }
    func crossings(_ rows: [[Int]]) -> Int {
      let position = positions(rows)
      return rows.reduce(0) { total, row in
        let ends = row.flatMap { index in
          below[index].map { (position[index] ?? 0, position[$0] ?? 0) }
        }
        var count = 0
        for (i, a) in ends.enumerated() {
          for b in ends[..<i] where (a.0 - b.0) * (a.1 - b.1) < 0 { count += 1 }
        }
        return total + count
      }
    }
    var best = rows
    var fewest = crossings(rows)
    for sweep in 0..<sweeps {
      let down = sweep % 2 == 0
      var position = positions(rows)
      for layer in down ? Array(rows.indices) : rows.indices.reversed() {
        let keys = rows[layer].map { index -> Double in
          let neighbours = down ? above[index] : below[index]
          if neighbours.isEmpty { return Double(position[index] ?? 0) }
          return neighbours.reduce(0.0) { $0 + Double(position[$1] ?? 0) } / Double(neighbours.count)
        }
        let order = rows[layer].indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
        rows[layer] = order.map { rows[layer][$0] }
        for (place, index) in rows[layer].enumerated() { position[index] = place }
      }
      let count = crossings(rows)
      if count < fewest { (fewest, best) = (count, rows) }
    }
    rows = best
  }

  /// Moves the boxes of each layer towards the mean of their neighbours without changing their order.
  private static func place(_ rows: [[Int]], _ above: [[Int]], _ below: [[Int]], _ places: inout [Place]) {
    for row in rows {
      var x = 0.0
      for index in row {
        places[index].x = x + places[index].width / 2
        x += places[index].width + gap
      }
      for index in row { places[index].x -= x / 2 }
    }
    for sweep in 0..<sweeps {
      for row in sweep % 2 == 0 ? rows : rows.reversed() {
        let wanted = row.map { index -> Double in
          let neighbours = above[index] + below[index]
          if neighbours.isEmpty { return places[index].x }
          return neighbours.reduce(0.0) { $0 + places[$1].x } / Double(neighbours.count)
        }
        // Packed from the left and from the right; the middle of both keeps all distances.
        func packed(_ order: [Int], _ sign: Double) -> [Double] {
          var result = wanted
          for (previous, next) in zip(order, order.dropFirst()) {
            let distance = (places[row[previous]].width + places[row[next]].width) / 2 + gap
            result[next] = sign * max(sign * result[next], sign * result[previous] + distance)
          }
          return result
        }
        let right = packed(Array(row.indices), 1)
        let left = packed(row.indices.reversed(), -1)
        for (place, index) in row.enumerated() { places[index].x = (left[place] + right[place]) / 2 }
      }
    }
  }
}
