/// The share of decisions that are right.
public func accuracy(_ right: Int, of all: Int) -> Double { Double(right) / Double(all) }
