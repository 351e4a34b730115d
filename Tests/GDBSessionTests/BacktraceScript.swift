/// Python for gdb that holds the frames of a Linux, from many places, against what the kernel's own data says of where
/// they have to end.
struct BacktraceScript {
  /// Python that defines `wanted()`: the kind of end, and where a program goes on.
  var wanted: String
  /// Instructions from the begin to a place where programs run.
  var programs: String

  /// With a kernel's types: the task at hand, and what its system call or exception has saved at the end of its stack.
  static let withTypes = BacktraceScript(
    wanted: """
      def wanted():
          task = number("*(unsigned long *) &current_task")
          if task == 0 or number("((struct task_struct *) %d)->pid" % task) == 0:
              return "begin", None
          # PF_KTHREAD; the first process is one until it executes a program.
          if number("((struct task_struct *) %d)->flags" % task) & 0x200000:
              return "thread", None
          rip = number("*(unsigned long *) ((unsigned long) ((struct task_struct *) %d)->stack + 0x4000 - 40)" % task)
          return ("program", rip) if rip else ("thread", None)

      """, programs: "400000000")

  /// With names alone: the CPU knows the task and the end of its stack.
  static let withNames = BacktraceScript(
    wanted: """
      def word(address):
          return int.from_bytes(gdb.selected_inferior().read_memory(address, 8), "little")

      def wanted():
          own = word(number("(unsigned long) &__per_cpu_offset"))
          task = word(number("(unsigned long) &current_task") + own)
          if task in (0, number("(unsigned long) &init_task")):
              return "begin", None
          top = word(number("(unsigned long) &cpu_current_top_of_stack") + own)
          return ("program", word(top - 40)) if word(top - 32) in (0x23, 0x33) else ("thread", None)

      """, programs: "total - 66000000")

  /// `walk()`: the frames from here, outermost last; `found()`: where they end.
  private var frames: String {
    """
    import gdb, random, re

    def number(text):
        return int(gdb.parse_and_eval(text)) & (1 << 64) - 1

    def walk():
        frames, frame = [], gdb.newest_frame()
        while frame is not None and len(frames) < 200:
            # What a thread's begin goes back to is 0, which backtrace does not show.
            if frame.pc() != 0 or not frames:
                frames.append(frame)
            frame = frame.older()
        return frames

    \(wanted)
    def found(frames):
        programs = [frame.pc() for frame in frames if frame.pc() < 1 << 47]
        if programs:
            return "program", programs[0]
        name, last = frames[-1].name() or "", frames[-1].older() or frames[-1]
        kind = "thread" if name == "ret_from_fork" else "begin" if "startup_64" in name else "nowhere"
        # gdb gives no reason where what goes back to 0 is not made a frame of.
        reasons = (gdb.FRAME_UNWIND_OUTERMOST,) + ((gdb.FRAME_UNWIND_NO_REASON,) if kind == "thread" else ())
        return (kind if last.unwind_stop_reason() in reasons else "nowhere"), None

    def report(frames):
        print("i%d: wanted %s, found %s:" % (number("$instructions"), wanted(), found(frames)))
        for frame in frames:
            print("   %#x %s" % (frame.pc(), frame.name()))
        print(gdb.frame_stop_reason_string(frames[-1].unwind_stop_reason()))

    gdb.execute("seek end", to_string=True)
    total = number("$instructions")
    events = int(re.search("of ([0-9]+)", gdb.execute("monitor when", to_string=True))[1])

    """
  }

  /// Says `places: COUNT, wrong: 0`. A part of the places is near events, since most instructions are a boot's loops.
  func fromAnywhere(count: Int, seed: UInt64, nearEvents: Int) -> String {
    frames + """
      start, end = number("(unsigned long) &__entry_text_start"), number("(unsigned long) &__entry_text_end")
      random.seed(\(seed))
      wrong, places = 0, 0

      def go():
          place = random.randrange(1, total)
          if random.randrange(100) < \(nearEvents):
              gdb.execute("seek %d" % random.randrange(1, events), to_string=True)
              place = min(number("$instructions") + random.randrange(5000), total)
          gdb.execute("seek instruction %d" % place, to_string=True)

      def is_right():
          if gdb.newest_frame().pc() < 1 << 47:
              # Nobody knows the frames of what unpacks the kernel.
              return gdb.execute("backtrace", to_string=True).count("\\n") == 1
          frames = walk()
          switches = any((frame.name() or "").startswith("__switch_to") for frame in frames[:8])
          if start <= frames[0].pc() < end or switches:
              # The kernel's own data is not of this entry yet, or not of this task.
              return found(frames)[0] != "nowhere"
          try:
              return found(frames) == wanted()
          except gdb.MemoryError:
              # The CPU has no data of its own yet.
              return found(frames)[0] == "begin"

      while places < \(count):
          go()
          if number("$cpl") == 3:
              # Nothing to see: the program is where it is.
              continue
          places += 1
          if not is_right():
              wrong += 1
              report(walk())
      print("places: %d, wrong: %d" % (places, wrong))

      """
  }

  /// From a C function back to the program that was left, and from its return to the program: every instruction's
  /// frames end where the program goes on. Says `PLACE: in and out` for each, and then `wrong: 0`.
  func alongTheEntryCode(_ places: [String]) -> String {
    frames + """
      wrong = 0

      def compare(truth):
          global wrong
          if found(walk()) != truth:
              wrong += 1
              report(walk())

      def along(place):
          gdb.execute("seek instruction %d" % (\(programs)), to_string=True)
          gdb.execute("tbreak " + place, to_string=True)
          gdb.execute("continue", to_string=True)
          here, frames = number("$instructions"), walk()
          truth, back = found(frames), frames[1].pc()
          assert truth[0] == "program", report(frames)
          steps = 0
          while number("$cpl") != 3 and steps < 400:
              compare(truth)
              gdb.execute("reverse-stepi", to_string=True)
              steps += 1
          gdb.execute("seek instruction %d" % here, to_string=True)
          gdb.execute("tbreak *%d" % back, to_string=True)
          gdb.execute("continue", to_string=True)
          truth = wanted()
          while number("$cpl") != 3 and steps < 800:
              compare(truth)
              gdb.execute("stepi", to_string=True)
              steps += 1
          print("%s: %s" % (place.split(" ")[0], "in and out" if 40 < steps < 400 else "%d steps" % steps))

      gdb.execute("delete", to_string=True)
      for place in \(places):
          along(place)
      print("wrong: %d" % wrong)

      """
  }
}
