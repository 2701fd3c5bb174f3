import ArgumentParser
import Training

@main
struct Main: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "dmsnet", abstract: "Trains DMS-Net on paired fundus photographs over MPI.")
}
