// Preloaded into Azurite: when the pipe on stdin closes, because its starter asked for it or was killed, Azurite
// saves its data and exits. SIGINT is the only signal on which it saves.
process.stdin.resume().on("end", () => process.kill(process.pid, "SIGINT")).unref();
