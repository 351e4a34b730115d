internal import Synchronization

/// Host code made of hot blocks: whether there is to be any, and whether there can be.
public enum HostCode {
  private static let wanted = Atomic<Bool>(true)

  /// For the engines that are made from now on.
  public static var isWanted: Bool {
    get { wanted.load(ordering: .relaxed) }
    set { wanted.store(newValue, ordering: .relaxed) }
  }

  /// This process may have memory whose content it has written itself and executes.
  public static let isAvailable = CodeMemory(size: 0x1000, wordCount: 0) != nil
}
