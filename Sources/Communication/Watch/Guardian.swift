import CWatch
import Foundation

/// What a watch's thread does.
final class Guardian: @unchecked Sendable {
  // Unchecked: made by one thread, from then on the watch's alone.

  /// Seconds between two words to the same rank; more where ranks are many, so that each sends some hundred datagrams a second at most.
  private let beat: Double
  /// Seconds after which the others are thought to know no better, and a rank that is not the one to speak does.
  private static let patience = 2.0

  private let rank, size: Int
  private let whereabouts: Whereabouts
  private let channel: WatchChannel
  private let wake: Int32
  private let settings: Watch.Settings
  private let names: RankNames
  private var vitals = Vitals()
  private var views: [RankView]
  private var heard: [Double]
  /// Descriptors of the other ranks' processes on this host; below 0: none.
  private var processes: [Int32]
  private var stragglers = Stragglers()
  private let begun = Guardian.now
  private var isHearingTold = false
  private var answered = 0
  private var stopSeen: Double?
  /// When something was found wrong that another rank is to tell.
  private var found: Double?
  private var isOver = false
  private var isCutOff = false

  init(
    _ communicator: any Communicator, _ channel: WatchChannel, _ all: [Watch.Introduction], _ settings: Watch.Settings,
    wake: Int32
  ) {
    (rank, size, whereabouts) = (communicator.rank, communicator.size, communicator.whereabouts)
    (self.channel, self.settings, self.wake) = (channel, settings, wake)
    let count = size
    beat = max(0.5, Double(count) / 128)
    names = RankNames(rank: rank, hosts: all.map(\.address.host), processes: all.map(\.process))
    views = Array(repeating: RankView(), count: count)
    heard = Array(repeating: Self.now, count: count)
    processes = all.enumerated().map { other, introduction in
      let process = introduction.process
      let isOther = process.id != getpid() && introduction.address.host == all[communicator.rank].address.host
      return isOther && process.isVisible ? dms_process_open(process.id) : -1
    }
  }

  deinit { for descriptor in processes where descriptor >= 0 { close(descriptor) } }

  private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  /// Watches until the descriptor `wake` is closed on its other side, or the run is over.
  func work() {
    var (last, next) = (Self.now, Self.now)
    while !isOver {
      let isWoken = wait(max(0, next - Self.now))
      let now = Self.now
      // This process was stopped itself, or all were: what it has not heard meanwhile says nothing.
      if now - last > max(2, 3 * beat) { heard = heard.map { _ in now } }
      last = now
      listen(now)
      lookForTheDead(now)
      if isWoken { return leave() }
      guard now >= next, !isOver else { continue }
      next = now + beat
      look(now)
      tellOthers(.alive)
      answer()
      judge(now)
    }
  }

  /// Waits for a datagram, a process's end or the watch's; whether it was the last.
  private func wait(_ seconds: Double) -> Bool {
    var all = [
      pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
      pollfd(fd: channel.socket, events: Int16(POLLIN), revents: 0),
    ]
    all += processes.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    guard poll(&all, nfds_t(all.count), Int32(seconds * 1000) + 1) > 0 else { return false }
    return all[0].revents != 0
  }

  /// Takes in what others have sent.
  private func listen(_ now: Double) {
    while !isOver, let message = channel.receive() {
      let sender = message.sender
      heard[sender] = now
      (views[sender].place, views[sender].idle, views[sender].isHeard) = (message.place, message.idle, true)
      switch message.kind {
      case .alive: break
      case .leaving: views[sender].hasLeft = true
      case .over: end()
      case .tell: tell()
      }
    }
  }

  /// Finds processes that have ended without a word.
  private func lookForTheDead(_ now: Double) {
    if stopSeen == nil, settings.isStopRequested() { stopSeen = now }
    var dead: [Int] = []
    for other in views.indices where processes[other] >= 0 {
      var one = pollfd(fd: processes[other], events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, 0) > 0 else { continue }
      close(processes[other])
      processes[other] = -1
      dead.append(other)
    }
    // A host that says so of a process that is heard or seen knows another: an address may move from one to another.
    if let other = channel.refused(), processes[other] < 0, now - heard[other] > 1.5 * beat { dead.append(other) }
    // What it sent last may have come while this looked.
    listen(now)
    guard !isOver, let first = dead.first(where: { !views[$0].hasLeft }) else { return }
    // A launcher that ends a job asks first, and kills a moment later.
    if let stopSeen, (0.3...3).contains(now - stopSeen) { return }
    let speaker = views.indices.first { $0 != first && (processes[$0] >= 0 || isNear($0, now)) }
    if speaker != rank {
      wait(for: Self.patience / 2)
      guard !isOver else { return }
    }
    finish([names.gone(first, views[first].place)], hint: nil)
  }

  private func isNear(_ other: Int, _ now: Double) -> Bool {
    other == rank || (views[other].isHeard && !views[other].hasLeft && now - heard[other] < 3 * beat)
  }

  /// Waits for another rank's word that the run is over.
  private func wait(for seconds: Double) {
    let until = Self.now + seconds
    while !isOver, Self.now < until {
      _ = wait(0.05)
      listen(Self.now)
    }
  }

  /// Takes in where this rank is, and how long others have been silent.
  private func look(_ now: Double) {
    vitals.look(whereabouts, at: now)
    (views[rank].place, views[rank].idle, views[rank].isHeard) = (whereabouts.snapshot, now - vitals.latest, true)
    heard[rank] = now
    for other in views.indices { views[other].silence = now - heard[other] }
  }

  private func tellOthers(_ kind: WatchMessage.Kind) {
    for other in views.indices where other != rank && !(views[other].hasLeft && kind == .alive) {
      let message = WatchMessage(kind, from: rank, to: other, views[rank].place, idle: views[rank].idle)
      channel.send(message, isQuiet: views[other].silence > 3 * beat)
    }
  }

  private func leave() {
    for _ in 0..<2 { tellOthers(.leaving) }
  }

  /// Where this rank was asked to: all say where they are.
  private func answer() {
    let requests = settings.requests()
    guard requests != answered else { return }
    answered = requests
    tellOthers(.tell)
    tell()
  }

  private var told = -Double.infinity

  /// Says where this rank is; once where several ask at the same time.
  private func tell() {
    guard Self.now - told > 1 else { return }
    told = Self.now
    settings.say(names.whereabouts(whereabouts.snapshot))
  }

  /// Ends the run where a rank is stalled, and names those that are slow or that the watch does not hear.
  private func judge(_ now: Double) {
    if rank == 0 {
      if !isHearingTold, now - begun > 20 * beat {
        isHearingTold = true
        let unheard = views.indices.filter { !views[$0].isHeard }
        if !unheard.isEmpty { note(names.unheard(unheard)) }
      }
      for slow in stragglers.find(views, at: now) {
        note(names.slow(slow.rank, slow.factor, seconds: Stragglers.window))
      }
    }
    guard settings.timeout > 0 else { return }
    // A second early, so that it is said within the time.
    let allowed = max(settings.timeout - 1, 4 * beat)
    guard !Judgement(views, allowed: allowed).stalled.isEmpty else {
      found = nil
      return
    }
    // Several that stalled at once were heard at different moments.
    let judgement = Judgement(views, allowed: allowed - 2 * beat)
    let stalled = Set(judgement.stalled.map(\.rank))
    let speaker =
      views.indices.first { !stalled.contains($0) && isNear($0, now) } ?? views.indices.first { isNear($0, now) }
    guard speaker == rank || now - (found ?? now) > Self.patience else {
      found = found ?? now
      return
    }
    isCutOff = names.isCutOff(judgement)
    finish(names.lines(judgement, views), hint: "--stall-timeout SECONDS waits longer, 0 for ever")
  }

  /// Says what is wrong, and ends all ranks.
  private func finish(_ lines: [String], hint: String?) {
    for line in lines { settings.say("dmsnet: error: \(line)") }
    if let hint { settings.say("hint: \(hint)") }
    writeLog(lines)
    // Hydra ends all once one has ended, and no longer passes on what was said.
    usleep(300_000)
    for _ in 0..<3 {
      tellOthers(.over)
      usleep(20_000)
    }
    end()
  }

  private func end() {
    isOver = true
    // The launcher's daemon on a host that is cut off waits for orders that do not come.
    if isCutOff, let daemon = ProcessIdentity.daemon { kill(daemon, SIGKILL) }
    settings.end(1)
  }

  /// A line for people and the log, which ends nothing.
  private func note(_ line: String) {
    settings.say(line)
    writeLog([line])
  }

  /// Adds to the run's log, on a thread of its own: the file system may be what is stuck.
  private func writeLog(_ lines: [String]) {
    guard let log = settings.log else { return }
    let isWritten = DispatchSemaphore(value: 0)
    let text = lines.map { $0 + "\n" }.joined()
    Thread {
      let descriptor = open(log, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      if descriptor >= 0 {
        _ = text.utf8.withContiguousStorageIfAvailable { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
      }
      isWritten.signal()
    }.start()
    _ = isWritten.wait(timeout: .now() + Self.patience)
  }
}
