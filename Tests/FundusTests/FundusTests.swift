import Testing

import Fundus
