@_exported import Graphs
