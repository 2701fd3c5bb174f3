/// What a watch says of ranks, for people.
struct RankNames {
  let rank: Int
  let hosts: [String]
  let processes: [ProcessIdentity]
  /// So many ranks are named one by one.
  private static let most = 8

  private func place(_ rank: Int) -> String {
    hosts.count == 1 ? "" : "[rank \(rank) of \(hosts.count) on \(hosts[rank])] "
  }

  private func process(_ rank: Int) -> String { "process \(processes[rank].id)" }

  /// Rank `other` has ended without a word.
  func gone(_ other: Int, _ last: Whereabouts.Snapshot) -> String {
    "\(place(other))\(process(other)) is gone, killed or crashed; last step \(last.step), last seen \(doing(last))"
  }

  /// Rank `other` is slow.
  func slow(_ other: Int, _ factor: Double, seconds: Double) -> String {
    let times = Double(Int(factor * 10)) / 10
    return "\(place(other))\(process(other)) is slow: its own work took \(times) times the other ranks' median over "
      + "\(Int(seconds)) s; the run goes on"
  }

  /// Ranks that this rank's host does not hear.
  func unheard(_ others: [Int]) -> String {
    "\(place(rank))the watch hears nothing of \(others.names): no UDP between their hosts? Should they stall, nobody tells"
  }

  /// Where this rank is.
  func whereabouts(_ own: Whereabouts.Snapshot) -> String {
    let collective = own.collective.map { collective in
      "; \(own.isInside ? "in" : "last") collective \(own.sequence), \(collective)"
    }
    return
      "\(place(rank))\(process(rank)): step \(own.step) done, \(doing(own)) for \(Int(own.seconds)) s\(collective ?? "")"
  }

  private func doing(_ place: Whereabouts.Snapshot) -> String { "\(place.activity)" }

  /// Whether this rank hears less than half of all, itself among them.
  func isCutOff(_ judgement: Judgement) -> Bool {
    2 * judgement.stalled.count { $0.cause == .silent } > hosts.count
  }

  /// A line for each stalled rank, or one where this rank is what is cut off.
  func lines(_ judgement: Judgement, _ views: [RankView]) -> [String] {
    if isCutOff(judgement) {
      let silent = judgement.stalled.filter { $0.cause == .silent }.map(\.rank)
      let others = silent.count == hosts.count - 1 ? "no other rank" : "nothing of \(silent.names)"
      return [
        "\(place(rank))\(process(rank)) has heard \(others) for \(Int(views[silent[0]].silence)) s: this host or its network is "
          + "cut off, or they are; last step \(views[rank].place.step)"
      ]
    }
    let lines = judgement.stalled.prefix(Self.most).map { line($0, judgement, views[$0.rank]) }
    let more = judgement.stalled.count - lines.count
    return lines + (more > 0 ? ["\(more) more ranks are stalled"] : [])
  }

  private func line(_ stalled: Judgement.Stalled, _ judgement: Judgement, _ view: RankView) -> String {
    let rank = stalled.rank
    var parts = ["\(place(rank))stalled: \(process(rank)) \(cause(stalled, view))", "last step \(view.place.step)"]
    if let (collective, sequence) = judgement.awaited, stalled.cause != .together {
      parts.append("the others wait in \(collective) (collective \(sequence))")
    }
    return parts.joined(separator: "; ")
  }

  private func cause(_ stalled: Judgement.Stalled, _ view: RankView) -> String {
    let rank = stalled.rank
    let seconds = Int(view.silence.rounded())
    switch stalled.cause {
    case .silent:
      let known = "for \(seconds) s, last seen \(doing(view.place))"
      switch hosts[rank] == hosts[self.rank] ? processes[rank].state : nil {
      case "T", "t": return "has been stopped \(known)"
      case "D": return "has been stuck in the system, as on a file system that does not answer, \(known)"
      case .some: return "has not answered \(known)"
      case nil: return "has not been heard \(known): stopped, or its host or network is gone"
      }
    case .idle:
      return "has been \(doing(view.place)) for \(Int((view.idle + view.silence).rounded())) s without getting on"
    case .elsewhere:
      return "waits in \(view.place.collective.map { "\($0)" } ?? "MPI") (collective \(view.place.sequence))"
    case .together:
      return
        "waits in \(view.place.collective.map { "\($0)" } ?? "MPI") (collective \(view.place.sequence)), as all ranks do, and "
        + "nothing comes: the network or MPI"
    case .left: return "has left the run"
    }
  }
}
