/// The stub's own `monitor` commands. A target's come after them.
struct MonitorTable {
  typealias Handler = (Session) -> ([String]) throws(PacketError) -> String

  struct Command {
    var info: MonitorCommandInfo
    var handler: Handler

    init(_ name: String, _ usage: String, _ summary: String, _ handler: @escaping Handler) {
      info = MonitorCommandInfo(name: name, usage: usage, summary: summary)
      self.handler = handler
    }
  }

  let commands = [
    Command("help", "", "this list", Session.monitorHelp),
    Command("when", "", "where the machine stands", Session.monitorWhen),
    Command("recording", "", "what is being replayed", Session.monitorRecording),
    Command("seek", "PLACE", "go there with the next step (gdb: `seek PLACE`, `run PLACE`)", Session.monitorSeek),
    Command("goto", "PLACE", "go there now, unseen by the client until its next stop", Session.monitorGoto),
    Command("back", "[N]", "go to the Nth stop before with the next step (gdb: `back`)", Session.monitorBack),
    Command("forward", "[N]", "undo `back` (gdb: `forward`)", Session.monitorForward),
    Command("history", "", "the stops of this session", Session.monitorHistory),
    Command("checkpoint", "[NOTE]", "take a checkpoint here", Session.monitorCheckpoint),
    Command("checkpoints", "", "list the checkpoints", Session.monitorCheckpoints),
    Command("restart", "N", "go to checkpoint N with the next step (gdb: `restart N`)", Session.monitorRestart),
    Command("delete", "N", "delete checkpoint N", Session.monitorDelete),
    Command(
      "breakpoints", "[kept]", "the breakpoints and watchpoints that are set now; kept: the client leaves them set",
      Session.monitorBreakpoints),
    Command(
      "space", "[auto|any|this|CR3|PID [once]]", "where points at user addresses stop that are set from now on",
      Session.monitorSpace),
    Command(
      "task", "[REGISTER=VALUE...]", "show a sleeping task's registers and memory (gdb: `task PID`), or the CPU's",
      Session.monitorTask),
    Command(
      "linux", "[FIELD=ADDRESS...]", "where Linux keeps its tasks, by the client's symbols", Session.monitorLinux),
    Command(
      "kernel-symbols", "[beside]", "find the symbols that a Linux carries with it (gdb: `kernel-symbols`)",
      Session.monitorKernelSymbols),
    Command("xp", "ADDRESS [COUNT]", "show physical memory: COUNT bytes (64)", Session.monitorPhysical),
    Command("physical", "[on|off]", "take the client's addresses as physical ones", Session.monitorPhysicalMode),
    Command("diversion", "begin|end", "a throw-away copy of the machine that may be changed", Session.monitorDiversion),
    Command(
      "modes", "[follow]", "what code the client was told of; it reads target.xml anew when that changes",
      Session.monitorModes),
    Command("progress", "[on|off]", "whether long moves tell how they get on", Session.monitorProgress),
    Command("why", "", "why the last change or move was refused", Session.monitorWhy),
  ]
}
