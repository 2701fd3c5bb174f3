import Testing

import Graphs
