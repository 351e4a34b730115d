public import VMMCore

/// The gdb commands that make a replay feel like home: written to a file that gdb loads before it connects. A gdb
/// without Python understands it too.
public enum GDBScript {
  /// Settings, and the commands `when`, `seek`, `run`, `start`, `checkpoint`, `restart`, `back` … as users of rr know
  /// them. They move through time by `monitor seek` and one `stepi`, which the stub answers by going there: for gdb
  /// that is a stop like any other, so that it forgets whatever it has cached.
  public static let commands = settings + index + frames + modes + definitions

  /// A whole file for a gdb that takes its symbols and connects by itself: settings and commands, and what Linux needs.
  ///
  /// - Parameter entryCode: that of the vmlinux that the recording is of, if there is one.
  public static func settingUp(isLinux: Bool, entryCode: LinuxEntryCode? = nil) -> String {
    guard isLinux else { return commands }
    var python = LinuxScript.text
    if let entryCode, !entryCode.entries.isEmpty {
      let digits = String(decoding: EntryFrames(entryCode).file.hexText, as: UTF8.self)
      python += "\nload_entry_frames(\"\(digits)\")\n" + LinuxFrames.returns(entryCode)
    }
    return commands + "\npython\n" + python + "\nend\n"
  }

  /// A whole file for gdb's `-x`: settings and commands, symbols, connection.
  ///
  /// - Parameters:
  ///   - target: what `target remote` takes (`Server.name`).
  ///   - symbols: the ELF files to take symbols from.
  ///   - isIn64BitCode: where the machine stands when gdb connects.
  ///   - preparation: lines that go before the symbols, as they are.
  ///   - prologue: lines that go after the symbols and before the connection, as they are.
  public static func session(
    target: String, symbols: Symbols? = nil, isIn64BitCode: Bool = true, preparation: [String] = [],
    prologue: [String] = []
  ) -> String {
    var lines = [commands] + preparation
    if let symbols {
      // Not `file`: an executable would pin gdb to its architecture.
      lines.append("symbol-file \(quoted(isIn64BitCode ? symbols.wide : symbols.narrow))")
      lines.append("set $chronovisor_bits = \(isIn64BitCode ? 64 : 32)")
      if symbols.wide != symbols.narrow { lines.append(exchange(symbols)) }
    }
    lines += prologue
    lines.append(connection(target))
    return lines.joined(separator: "\n") + "\n"
  }

  /// The same symbols for code of 64 bits and for narrower code: gdb takes the size of a symbol's address from the
  /// class of the ELF file, and refuses `*(int *) &symbol` where it is not that of the machine.
  public struct Symbols {
    public var wide: String
    public var narrow: String

    public init(wide: String, narrow: String) {
      self.wide = wide
      self.narrow = narrow
    }
  }

  /// gdb says at a connect that it has no executable: it has symbols only.
  private static func connection(_ target: String) -> String {
    """
    define chronovisor-connect
      if $_isvoid($_any_caller_is)
        target remote \(target)
      else
        python chronovisor_connect("\(target)")
      end
    end
    chronovisor-connect
    """
  }

  private static func exchange(_ symbols: Symbols) -> String {
    """
    define chronovisor-symbols
      if $code_bits == 64
        symbol-file \(quoted(symbols.wide))
      else
        symbol-file \(quoted(symbols.narrow))
      end
    end
    """
  }

  /// `add-symbol-file` without what it says.
  public static func addSymbols(from path: String) -> String {
    """
    if $_isvoid($_any_caller_is)
      add-symbol-file \(quoted(path))
    else
      python gdb.execute('add-symbol-file \(quoted(path))', to_string=True)
    end
    """
  }

  /// gdb's `file` splits its argument into words as a shell does.
  private static func quoted(_ path: String) -> String {
    let plain = path.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || (UInt8(ascii: "-")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
    }
    if plain { return path }
    let escaped = path.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
    return "\"\(escaped)\""
  }

  private static let settings = """
    # What chronovisor sets for a replay.
    set confirm off
    set auto-solib-add off
    set remotetimeout 10000
    set tcp auto-retry off
    set non-stop off
    set remoteaddresssize 64
    # So the stub knows when a point is set, and when it is taken away for good.
    set breakpoint always-inserted on

    """

  /// gdb can keep what it has found in a file of symbols: the first look-up in a distribution's kernel takes seconds,
  /// in the next session a tenth. Where it has no folder for that it would warn of it (gdb manual, "Index Files Speed
  /// Up GDB").
  private static let index = """
    if !$_isvoid($_any_caller_is)
      python
    def chronovisor_keep_index():
        from os import W_OK, access, makedirs
        try:
            folder = gdb.parameter("index-cache directory")
            makedirs(folder, exist_ok=True)
            if access(folder, W_OK):
                gdb.execute("set index-cache enabled on", to_string=True)
        except (gdb.error, RuntimeError, OSError, TypeError):
            pass
    chronovisor_keep_index()
      end
    end

    """

  /// A machine goes from 16 to 32 to 64 bits and back. The stub describes its registers as they are for the code that
  /// it is in, and gdb reads that description, once, when it connects; `unset tdesc filename` makes it read anew. This
  /// is done in `hook-stop`, which comes before gdb shows where the machine has stopped; before a prompt too, for users
  /// who have a `hook-stop` of their own.
  private static let modes = """
    set $chronovisor_bits = 0
    set $chronovisor_follows = 0
    define chronovisor-symbols
    end
    document chronovisor-symbols
    Take the symbols from the file whose addresses are those of the code that the machine is in.
    end

    define chronovisor-fit
      if ($chronovisor_bits == 64) != ($code_bits == 64)
        chronovisor-symbols
      end
      if $chronovisor_bits != $code_bits
        set $chronovisor_bits = $code_bits
        unset tdesc filename
        if !$_isvoid($_any_caller_is)
          python chronovisor_expect(True)
        end
      end
    end
    document chronovisor-fit
    Take over registers and symbols as they are in the code that the machine is in: of 16, 32 or 64 bits.
    end

    define hook-stop
      if $chronovisor_follows
        if $code_bits != $chronovisor_bits
          chronovisor-fit
        end
      end
    end

    define target hook-remote
      set $chronovisor_follows = 0
      if !$_isvoid($_any_caller_is)
        python chronovisor_expect(False)
      end
    end

    define target hookpost-remote
      if !$_isvoid($code_bits)
        if ($chronovisor_bits == 64) != ($code_bits == 64)
          chronovisor-symbols
        end
        set $chronovisor_bits = $code_bits
        set $chronovisor_follows = 1
        monitor modes follow
        monitor breakpoints kept
        if !$_isvoid($_any_caller_is)
          python chronovisor_expect(True)
          python chronovisor_connected(); chronovisor_stopped and chronovisor_stopped()
        end
      end
    end

    if !$_isvoid($_any_caller_is)
      python
    # The quickest test at each stop is against a number: gdb walks through all its variables to find one.
    def chronovisor_expect(follows):
        if "chronovisor" not in gdb.execute("show user hook-stop", to_string=True):
            return
        test = "if $code_bits != $chronovisor_bits"
        if follows:
            test = "if $code_bits != %d" % int(gdb.convenience_variable("chronovisor_bits"))
        lines = test + "\\nchronovisor-fit\\nend"
        if chronovisor_stopped:
            lines += "\\npython chronovisor_stopped()"
        if not follows:
            lines = "if $chronovisor_follows\\n" + lines + "\\nend"
        gdb.execute("define hook-stop\\n" + lines + "\\nend")

    # What a guest's own script does when gdb has connected.
    def chronovisor_connected():
        pass

    # What it does before gdb shows where the machine has stopped, as long as there is anything to do.
    chronovisor_stopped = None

    def chronovisor_fit():
        follows = gdb.convenience_variable("chronovisor_follows")
        if not follows or gdb.selected_thread() is None:
            return
        try:
            if int(gdb.parse_and_eval("$code_bits")) != int(gdb.convenience_variable("chronovisor_bits")):
                gdb.execute("chronovisor-fit", to_string=True)
        except gdb.error:
            pass
    gdb.events.before_prompt.connect(chronovisor_fit)

    def chronovisor_connect(name):
        text = gdb.execute("target remote " + name, to_string=True)
        start, end = text.find("warning: No executable"), text.find("command.\\n")
        gdb.write(text[:start] + text[end + len("command.\\n"):] if 0 <= start < end else text)
      end
    end


    """

  /// A Ctrl-C that comes while gdb unwinds leaves a frame for which gdb believes for ever that there is none before it
  /// (`get_prev_frame_always_1` in its frame.c marks the frame as unwound before it is). In an inlined function every
  /// command that needs a frame fails from then on: "failed to find previous frame when computing inline frame id". So
  /// the frames are forgotten before the machine goes to a place, and before a prompt where the newest frame is such.
  /// `$_any_caller_is` is a function that a gdb with Python has.
  ///
  /// A watchpoint is a change for gdb: of the value that it read at the last stop for it. At another place it must read
  /// anew, which it does when a watchpoint is enabled; else it would pass over a hit that brings back the old value.
  private static let frames = """
    define chronovisor-go
      if !$_isvoid($_any_caller_is)
        python gdb.invalidate_cached_frames()
      end
      stepi
      if !$_isvoid($_any_caller_is)
        python chronovisor_read_watchpoints_anew()
      end
    end
    document chronovisor-go
    What `seek` and its like do after the machine has been told where to go.
    end

    if !$_isvoid($_any_caller_is)
      python
    def chronovisor_forget_a_broken_frame():
        try:
            frame = gdb.newest_frame()
            broken = frame.older() is None and frame.unwind_stop_reason() == gdb.FRAME_UNWIND_NO_REASON
        except gdb.error:
            broken = True
        if broken:
            gdb.invalidate_cached_frames()
    gdb.events.before_prompt.connect(chronovisor_forget_a_broken_frame)

    def chronovisor_read_watchpoints_anew():
        kinds = (gdb.BP_HARDWARE_WATCHPOINT, gdb.BP_ACCESS_WATCHPOINT)
        for point in gdb.breakpoints() or ():
            if point.type in kinds and point.enabled:
                point.enabled = True
      end
    end


    """

  private static let definitions = """
    define chronovisor-connect
      echo Nothing is being replayed: connect with `target remote`.\\n
    end
    document chronovisor-connect
    Connect to the replay again, after `kill` or `detach`.
    end

    define when
      if $_thread == 0
        echo Nothing is being replayed: `run` starts it again.\\n
      else
        monitor when
      end
    end
    document when
    Show where in the recording the machine stands.
    end

    define seek
      if $_thread == 0
        chronovisor-connect
      end
      if $argc == 0
        monitor seek
      end
      if $argc == 1
        monitor seek $arg0
      end
      if $argc == 2
        monitor seek $arg0 $arg1
      end
      chronovisor-go
    end
    document seek
    Go to a place in the recording: seek PLACE
    PLACE is begin, end, a position as `when` shows it (1234+56), instruction N or iN, a share (50%), or checkpoint N.
    end

    define run
      if $argc == 0
        seek begin
        continue
      end
      if $argc == 1
        seek $arg0
      end
      if $argc == 2
        seek $arg0 $arg1
      end
    end
    document run
    Without an argument: replay from the begin. With one: go to that place, as `seek` does.
    end

    define start
      seek begin
    end
    document start
    Go to the begin of the recording.
    end

    define checkpoint
      if $argc == 0
        monitor checkpoint
      end
      if $argc == 1
        monitor checkpoint $arg0
      end
      if $argc == 2
        monitor checkpoint $arg0 $arg1
      end
      if $argc == 3
        monitor checkpoint $arg0 $arg1 $arg2
      end
    end
    document checkpoint
    Take a checkpoint here, with a note of up to three words: checkpoint [NOTE]
    end

    define restart
      if $_thread == 0
        chronovisor-connect
      end
      monitor restart $arg0
      chronovisor-go
    end
    document restart
    Go to a checkpoint: restart N
    end

    define delete checkpoint
      monitor delete $arg0
    end
    document delete checkpoint
    Delete a checkpoint: delete checkpoint N
    end

    define info checkpoints
      monitor checkpoints
    end
    document info checkpoints
    List the checkpoints.
    end

    define info recording
      monitor recording
    end
    document info recording
    Show what is being replayed.
    end

    define back
      if $argc == 0
        monitor back
      end
      if $argc == 1
        monitor back $arg0
      end
      chronovisor-go
    end
    document back
    Go back to the stop before this one, or to the Nth before: back [N]
    end

    define forward
      if $argc == 0
        monitor forward
      end
      if $argc == 1
        monitor forward $arg0
      end
      chronovisor-go
    end
    document forward
    Undo `back`: forward [N]
    end

    define space
      if $argc == 0
        monitor space
      end
      if $argc == 1
        monitor space $arg0
      end
    end
    document space
    Choose where points at user addresses stop that are set from now on: space [auto|any|this|CR3|PID]
    auto: in the process that the machine is in; any: in all; this: in the address space that the machine is in.
    end

    define diversion
      if $argc == 0
        monitor diversion begin
      end
      if $argc == 1
        monitor diversion $arg0
        if $_streq("$arg0", "end")
          chronovisor-go
        end
      end
    end
    document diversion
    Work on a throw-away copy of the machine, whose registers and memory may be changed: diversion [begin|end]
    end
    """
}
