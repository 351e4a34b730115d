/// The gdb commands that make a replay feel like home: written to a file that gdb loads before it connects. A gdb
/// without Python understands it too.
public enum GDBScript {
  /// Settings, and the commands `when`, `seek`, `run`, `start`, `checkpoint`, `restart`, `back` … as users of rr know
  /// them. They move through time by `monitor seek` and one `stepi`, which the stub answers by going there: for gdb
  /// that is a stop like any other, so that it forgets whatever it has cached.
  public static let commands = settings + frames + definitions

  /// A whole file for a gdb that takes its symbols and connects by itself: settings and commands, and what Linux needs.
  public static func settingUp(isLinux: Bool) -> String {
    isLinux ? commands + "\npython\n" + LinuxFrames.script + "\nend\n" : commands
  }

  /// A whole file for gdb's `-x`: settings and commands, symbols, connection.
  ///
  /// - Parameters:
  ///   - target: what `target remote` takes (`Server.name`).
  ///   - symbols: an ELF file to take symbols from.
  ///   - preparation: lines that go before the symbols, as they are.
  ///   - prologue: lines that go after the symbols and before the connection, as they are.
  public static func session(
    target: String, symbols: String? = nil, preparation: [String] = [], prologue: [String] = []
  ) -> String {
    var lines = [commands] + preparation
    if let symbols { lines.append("file \(quoted(symbols))") }
    lines += prologue
    lines.append("target remote \(target)")
    return lines.joined(separator: "\n") + "\n"
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
    define when
      monitor when
    end
    document when
    Show where in the recording the machine stands.
    end

    define seek
      if $argc == 0
        monitor seek begin
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
    PLACE is begin, end, a position as `when` shows it (1234+56), instruction N, a share (50%), or checkpoint N.
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
