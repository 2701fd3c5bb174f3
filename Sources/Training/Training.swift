@_exported import Communication
@_exported import Fundus
@_exported import Metrics
@_exported import Models
