import COpenBLAS
import Synchronization

/// Callers inside `withSerialProducts`, and OpenBLAS's number of threads outside.
private let serialProducts = Mutex((callers: 0, threads: Int32(1)))

/// Calls `body` while matrix products of `Float` run on the thread that asks for them.
///
/// OpenBLAS lets one product use all cores and makes the others wait. Where `body` itself runs many products side by
/// side, that costs a factor of three to six. The number of threads is global: nested and concurrent callers share the
/// setting, and the last one to leave restores it. Products elsewhere are slower meanwhile, never wrong.
func withSerialProducts(_ body: () -> Void) {
  serialProducts.withLock { state in
    if state.callers == 0 {
      state.threads = openblas_get_num_threads()
      openblas_set_num_threads(1)
    }
    state.callers += 1
  }
  defer {
    serialProducts.withLock { state in
      state.callers -= 1
      if state.callers == 0 { openblas_set_num_threads(state.threads) }
    }
  }
  body()
}
