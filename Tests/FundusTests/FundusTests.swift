import Fundus
import Testing
