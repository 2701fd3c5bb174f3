import Testing

import Communication
