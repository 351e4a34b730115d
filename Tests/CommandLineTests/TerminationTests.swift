import Support
import Testing

/// A replay under gdb that is told to end leaves nothing behind.
@Suite struct TerminationTests {
  @Test(arguments: [("TERM", 143), ("HUP", 129)]) func leavesNoDirectory(signal: String, status: Int) throws {
    let folder = TemporaryFolder()
    let script = """
      mkdir "$1/temporary"
      printf '#!/bin/sh\\nls -A "$TMPDIR" >"%s/seen"\\nexec sleep 900\\n' "$1" >"$1/gdb"
      chmod +x "$1/gdb"
      TMPDIR="$1/temporary" "$2" replay -d "$1/gdb" "$3" & process=$!
      while [ ! -s "$1/seen" ]; do sleep 0.05; done
      kill -"$4" $process
      wait $process
      echo "status $?"
      ls -A "$1/temporary"
      """
    let result = CommandRunner.run(
      "/bin/bash",
      [
        "-c", script, "bash", folder.path, CommandRunner.chronovisor, SourceTree.root + "/Traces/hello/hello.trace",
        signal,
      ])
    #expect(result.output == "status \(status)\n")
    #expect(!result.timedOut)
  }
}
