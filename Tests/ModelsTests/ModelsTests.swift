import Testing

import Models
