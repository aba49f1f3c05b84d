extension GraphDrawing {
  private static let margin = 24.0
  private static let titleHeight = 28.0
  private static let lineHeight = 14.0
  private static let characterWidth = 6.6

  /// An SVG document with several drawings side by side, each in a frame under its title.
  public static func svg(_ drawings: [GraphDrawing]) -> String {
    var body = ""
    var x = margin
    var height = 0.0
    for drawing in drawings {
      let layout = drawing.layout
      let width = max(layout.width, Double(drawing.title.count) * 8) + 2 * margin
      let top = margin + titleHeight
      let frameHeight = titleHeight + layout.height + 2 * margin
      body += "<rect class=\"cluster\" x=\"\(number(x))\" y=\"\(number(margin))\" width=\"\(number(width))\" "
      body += "height=\"\(number(frameHeight))\" rx=\"6\"/>\n"
      body += "<text class=\"heading\" x=\"\(number(x + width / 2))\" y=\"\(number(margin + 20))\">"
      body += "\(escaped(drawing.title))</text>\n"
      body += drawing.body(layout, x: x + (width - layout.width) / 2, y: top + margin / 2)
      x += width + margin
      height = max(height, margin + frameHeight + margin)
    }
    let (w, h) = (number(x), number(height))
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(w)" height="\(h)" viewBox="0 0 \(w) \(h)">
      <style>
      text { font: 11px Helvetica, Arial, sans-serif; text-anchor: middle; fill: #222 }
      .title { font-weight: bold }
      .heading { font-size: 15px; font-weight: bold }
      rect { fill: #eef4fb; stroke: #4a6a8a }
      .source { fill: #f7f3e8; stroke: #9a8a5a }
      .cluster { fill: #fdfdfd; stroke: #bbb }
      path { fill: none; stroke: #667; stroke-width: 1.1; marker-end: url(#arrow) }
      marker path { fill: #667; stroke: none; marker-end: none }
      </style>
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0,0 L8,4 L0,8 z"/></marker></defs>
      <rect x="0" y="0" width="\(w)" height="\(h)" style="fill:#ffffff;stroke:none"/>
      \(body)</svg>

      """
  }

  private var layout: LayeredLayout {
    let sizes = boxes.map { box in
      let longest = ([box.title] + box.lines).map(\.count).max() ?? 0
      return (
        width: Double(longest) * Self.characterWidth + 16, height: Double(1 + box.lines.count) * Self.lineHeight + 10
      )
    }
    return LayeredLayout(sizes: sizes, edges: edges, isSource: boxes.map { !$0.isNode })
  }

  private func body(_ layout: LayeredLayout, x left: Double, y top: Double) -> String {
    typealias Format = GraphDrawing
    var text = ""
    for path in layout.paths {
      var previous = path[0]
      text += "<path d=\"M\(Format.number(left + previous.x)),\(Format.number(top + previous.y))"
      for point in path.dropFirst() {
        let middle = (previous.y + point.y) / 2
        text += " C\(Format.number(left + previous.x)),\(Format.number(top + middle))"
        text += " \(Format.number(left + point.x)),\(Format.number(top + middle))"
        text += " \(Format.number(left + point.x)),\(Format.number(top + point.y))"
        previous = point
      }
      text += "\"/>\n"
    }
    for (box, place) in zip(boxes, layout.boxes) {
      let (x, y) = (left + place.x, top + place.y - place.height / 2)
      text += "<rect\(box.isNode ? "" : " class=\"source\"") x=\"\(Format.number(x - place.width / 2))\" "
      text += "y=\"\(Format.number(y))\" width=\"\(Format.number(place.width))\" "
      text += "height=\"\(Format.number(place.height))\" rx=\"\(box.isNode ? 3 : 12)\"/>\n"
      for (index, line) in ([box.title] + box.lines).enumerated() {
        let baseline = y + 15 + Double(index) * Self.lineHeight
        text += "<text\(index == 0 ? " class=\"title\"" : "") x=\"\(Format.number(x))\" "
        text += "y=\"\(Format.number(baseline))\">\(Format.escaped(line))</text>\n"
      }
    }
    return text
  }

  /// With one decimal, which is enough for pixels.
  private static func number(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
