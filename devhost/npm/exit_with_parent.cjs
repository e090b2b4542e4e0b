// Preloaded into Azurite. The pipe on stdin closes when the process that started Azurite closes it or is killed. Then
// Azurite saves its data and exits. SIGINT is the only signal on which it saves.
process.stdin.resume().on("end", () => process.kill(process.pid, "SIGINT")).unref();
