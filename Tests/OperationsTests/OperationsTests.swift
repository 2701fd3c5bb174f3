import Testing

import Operations
