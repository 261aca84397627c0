import CPlatform
import GLWire

/// The names of one share group that are in use, by kind. Guarded by the group's lock.
struct NameTables {
  init?() {}
}
