// Parses and binds KQL queries with Kusto's own language service. Standard input has {"library", "tables", "queries"};
// standard output has, for each query, the messages of its errors.
const path = require("path");

const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
require(path.join(given.library, "bridge.min.js"));
require(path.join(given.library, "Kusto.Language.Bridge.min.js"));

const { GlobalState, KustoCode, Symbols } = Kusto.Language;
const tables = Object.entries(given.tables).map(([name, columns]) =>
  Symbols.TableSymbol.From(`(${Object.entries(columns).map(([column, type]) => `['${column}']: ${type}`).join(", ")})`).WithName(name),
);
const database = new Symbols.DatabaseSymbol.$ctor1("workspace", tables);
const globals = GlobalState.Default.WithDatabase(database);

function errors(query) {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const found = [];
  const diagnostics = code.GetDiagnostics();
  for (let index = 0; index < diagnostics.Count; index += 1) {
    const item = Bridge.toArray(diagnostics)[index];
    if (item.Severity === "Error") found.push(item.Message);
  }
  return found;
}

process.stdout.write(JSON.stringify(given.queries.map(errors)));
