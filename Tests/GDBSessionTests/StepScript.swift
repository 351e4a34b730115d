/// Python for gdb: everything that the stub has about the machine, and steps that compare it.
enum StepScript {
  /// `state()`: all registers, with the position, and what the stack holds.
  static let state = """
    import gdb

    def quiet(command):
        return gdb.execute(command, to_string=True)

    def state():
        registers = quiet("maintenance packet g")
        try:
            stack = gdb.selected_inferior().read_memory(int(gdb.parse_and_eval("(unsigned long) $rsp")), 64).tobytes()
        except gdb.error:
            stack = b""
        return registers, stack

    """

  /// Steps forwards, then back over the same states.
  static func thereAndBack(_ count: Int) -> String {
    state + """
      states = [state()]
      for number in range(\(count)):
          quiet("stepi")
          states.append(state())
      print("different states:", len(set(states)))
      wrong = 0
      for expected in reversed(states[:-1]):
          quiet("reverse-stepi")
          wrong += state() != expected
      print("wrong backwards:", wrong)
      wrong = 0
      for expected in states[1:]:
          quiet("stepi")
          wrong += state() != expected
      print("wrong forwards:", wrong)

      """
  }

  /// `stopped_at_a_point(command)`: carries the command out; whether it has ended at a breakpoint or a watchpoint.
  static let stops = """
    last_stop = [None]
    gdb.events.stop.connect(lambda event: last_stop.__setitem__(0, event))


    def stopped_at_a_point(command):
        last_stop[0] = None
        gdb.execute(command, to_string=True)
        return isinstance(last_stop[0], gdb.BreakpointEvent)


    """
}
