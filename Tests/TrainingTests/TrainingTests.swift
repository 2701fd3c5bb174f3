import Testing

import Training
