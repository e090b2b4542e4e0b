// Preloaded into Azurite for `make run` and for benchmarks. Azurite looks at every row of a table for every range read.
// Table Storage keeps rows in the order of their keys and seeks. With this file, Azurite also reads only the rows of
// the range. The order is an index that Azurite keeps, and saves with its tables.
const path = require("node:path");

const RANGE = /^\(?PartitionKey eq '([^']*)'\)? and \(?RowKey ge '([^']*)'\)? and \(?RowKey lt '([^']*)'\)?/;
const store = path.join(path.dirname(process.argv[1]), "persistence", "LokiTableMetadataStore.js");
const { prototype } = require(store).default;
const scan = prototype.queryTableEntities;

prototype.queryTableEntities = async function (context, account, table, options, nextPartition, nextRow) {
  const range = RANGE.exec(options.filter ?? "");
  if (!range) return scan.call(this, context, account, table, options, nextPartition, nextRow);
  const [, partition, low, high] = range;
  const collection = this.getEntityCollection(account, table, context);
  const start = nextRow === undefined ? low : this.decodeContinuationHeader(nextRow);
  const onlyRange = range[0].length === options.filter.length;
  const most = onlyRange ? this.getMaxResultsOption(options) + 1 : Infinity;
  const chain = () => {
    const rows = collection.chain();
    rows.filteredrows = seek(collection, partition, start, high, most);
    rows.filterInitialized = true;
    return rows;
  };
  const narrowed = Object.create(this, { getEntityCollection: { value: () => ({ chain }) } });
  return scan.call(narrowed, context, account, table, options, nextPartition, nextRow);
};

/** The positions, in key order, of at most `most` rows of the partition from `low` on and below `high`. */
function seek(collection, partition, low, high, most) {
  collection.ensureIndex("RowKey"); // sorts again only if the index is out of date
  const { data, binaryIndices } = collection;
  const order = binaryIndices.RowKey.values;
  const found = [];
  for (let place = firstFrom(order, data, low); place < order.length && found.length < most; place++) {
    const row = data[order[place]];
    if (row.RowKey >= high) break;
    if (row.PartitionKey === partition) found.push(order[place]);
  }
  return found;
}

function firstFrom(order, data, low) {
  let from = 0;
  let to = order.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (data[order[middle]].RowKey < low) from = middle + 1;
    else to = middle;
  }
  return from;
}
