// swift-tools-version: 6.1
import PackageDescription

/// The pkg-config name of the MPI library: `ompi-c` for Open MPI, `mpich` for MPICH.
let mpi = Context.environment["DMSNET_MPI"] ?? "ompi-c"

/// Inner loops are C and always optimised; `-ffp-contract=off` leaves fused multiply-adds to the kernels that ask
/// for them, so that element-wise arithmetic gives the same bits on every processor.
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"])
]

/// Swift's libraries are linked into the program, so that nodes need no Swift, at fixed addresses, since its first instructions
/// (`Sources/CStart/entry.c`) run before the dynamic loader. Foundation's static libraries need one another, so the linker goes
/// round them.
let programFlags =
  ["-static-stdlib", "-Xclang-linker", "-no-pie", "-Xlinker", "--start-group"]
  + ["Foundation", "FoundationInternationalization", "FoundationEssentials", "CoreFoundation", "_FoundationICU"].map {
    "-l\($0)"
  }
  + ["_FoundationCShims", "_FoundationCollections"].map { "-l\($0)" } + ["-Xlinker", "--end-group"]

let entryFlags = ["-use-ld=lld", "-Xlinker", "--no-dynamic-linker", "-Xlinker", "--entry=dms_entry"]

let package = Package(
  name: "dmsnet",
  products: [
    .executable(name: "dmsnet", targets: ["dmsnet"]),
    .library(name: "poorfilesystem", type: .dynamic, targets: ["PoorFileSystem"]),
    .library(name: "signaltaker", type: .dynamic, targets: ["SignalTaker"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-atomics", exact: "1.3.0"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "MPI", pkgConfig: mpi, providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "JPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "PNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
    .systemLibrary(name: "XML", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .systemLibrary(name: "CXLSX", pkgConfig: "xlsxwriter", providers: [.apt(["libxlsxwriter-dev"])]),
    .target(name: "CKernels", cSettings: kernelFlags, linkerSettings: [.linkedLibrary("m")]),
    .target(name: "CStart"),
    .target(name: "CAffinity"),
    .target(name: "CWatch"),
    .target(name: "Platform", dependencies: ["CAffinity"]),
    .target(name: "CMPI", dependencies: ["MPI"]),
    .target(name: "CJPEG", dependencies: ["JPEG"]),
    .target(name: "CPNG", dependencies: ["PNG"]),
    .target(name: "CXML", dependencies: ["XML"]),
    .target(
      name: "Tensors",
      dependencies: ["Platform", "CKernels", .product(name: "Atomics", package: "swift-atomics")]),
    .target(name: "Graphs", dependencies: ["Tensors"]),
    .target(name: "Operations", dependencies: ["Graphs"]),
    .target(name: "Lowering", dependencies: ["Operations", "CKernels", "COpenBLAS"]),
    .target(name: "Models", dependencies: ["Lowering"]),
    .target(name: "Fundus", dependencies: ["Tensors", "CJPEG", "CPNG", "CZip", "CXML", "CXLSX"]),
    .target(name: "Communication", dependencies: ["Tensors", "CKernels", "CMPI", "CWatch"]),
    .target(name: "Metrics"),
    .target(
      name: "Training",
      dependencies: [
        "CStart", "Models", "Fundus", "Communication", "Metrics", "Yams",
        .product(name: "Crypto", package: "swift-crypto"),
      ]),
    .target(name: "Scaling", dependencies: ["Communication"]),
    .target(name: "Reporting", dependencies: ["Scaling"]),
    .executableTarget(
      name: "dmsnet",
      dependencies: [
        "Training", "Scaling", "Reporting", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      linkerSettings: [.unsafeFlags(programFlags), .unsafeFlags(entryFlags, .when(configuration: .release))]),
    .executableTarget(name: "ranks", dependencies: ["Communication"], path: "Tests/Ranks"),
    .target(name: "Allocations", path: "Tests/Allocations"),
    .target(name: "PoorFileSystem", path: "Tests/PoorFileSystem"),
    .target(name: "SignalTaker", path: "Tests/SignalTaker"),
    .target(name: "Launching", path: "Tests/Launching"),
    .testTarget(name: "PlatformTests", dependencies: ["Platform"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
    .testTarget(name: "GraphsTests", dependencies: ["Lowering"]),
    .testTarget(name: "OperationsTests", dependencies: ["Lowering", "Allocations"]),
    .testTarget(name: "LoweringTests", dependencies: ["Lowering"]),
    .testTarget(name: "ModelsTests", dependencies: ["Models", "Allocations"]),
    .testTarget(name: "FundusTests", dependencies: ["Fundus", "CZip"]),
    .testTarget(name: "CommunicationTests", dependencies: ["Communication", "Launching", "ranks"]),
    .testTarget(name: "TrainingTests", dependencies: ["Training"]),
    .testTarget(name: "MetricsTests", dependencies: ["Metrics"]),
    .testTarget(name: "ScalingTests", dependencies: ["Scaling"]),
    .testTarget(name: "ReportingTests", dependencies: ["Reporting", "Tensors"]),
    .testTarget(
      name: "CommandTests", dependencies: ["Training", "Launching", .product(name: "Crypto", package: "swift-crypto")]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)
