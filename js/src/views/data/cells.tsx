import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { HeatMap } from "../../core/parts/heatmap/heatmap";
import { MapLegend } from "../../core/parts/heatmap/legend";
import { useRamp } from "../../core/parts/heatmap/ramp";
import { RankedList } from "../../core/parts/ranked/ranked";
import { maxAbs } from "../../core/state/arrays";
import type { Dataset } from "../../core/state/dataset";
import { flush } from "../../core/state/flush";
import type { Means, QuantityInfo } from "../../generated/data";

/** The means over all records: a map of all cells, or of too many the strongest; a click shows one. */
export function CellMeans(props: {
  data: Dataset<Means>;
  between: string;
  stale: boolean;
  /** The name of the cell that is shown. */
  shown: string;
  onPick: (cell: string) => void;
}): JSX.Element | null {
  const { data, between, stale, shown, onPick } = props;
  const { units, quantity } = data.attrs;
  const mapped = data.has("mean");
  const values = useMemo(() => (mapped ? data.numbers("mean") : null), [data, mapped]);
  const ramp = useRamp([values], { scale: "diverging", of: quantity });
  const [rows, cols] = useMemo(
    () => (mapped ? [data.texts("row"), data.texts("column")] : [[], []]),
    [data, mapped],
  );
  const nameOf = useMemo(() => {
    return (row: number, col: number) => {
      const [above, own] = [rows[row] ?? "", cols[col] ?? ""];
      return above ? `${above}${between}${own}` : own;
    };
  }, [rows, cols, between]);
  const selected = useMemo(() => {
    const found = [];
    for (let row = 0; row < rows.length; row++) {
      for (let col = 0; col < cols.length; col++) {
        if (nameOf(row, col) === shown) found.push({ row, col });
      }
    }
    return found;
  }, [rows, cols, nameOf, shown]);
  const info = useMemo(
    () => (row: number, col: number) => ({
      name: nameOf(row, col),
      attributes: { "data-cell": nameOf(row, col) },
    }),
    [nameOf],
  );
  if (mapped) {
    return (
      <div class="lw-data-cells">
        <p class="lw-said">mean over all records; click a cell for its prompts</p>
        <MapLegend ramp={ramp} kind="diverging" units={units} />
        <HeatMap
          label={`mean ${quantity} by cell`}
          rows={rows}
          cols={cols}
          values={values}
          ramp={ramp}
          units={units}
          cell={info}
          selected={selected}
          stale={stale}
          maxHeight={260}
          onSelect={(_cells, clicked) => {
            if (clicked) onPick(nameOf(clicked.row, clicked.col));
          }}
        />
      </div>
    );
  }
  const means = data.numbers("strongest_mean");
  return (
    <div class="lw-data-cells">
      <RankedList
        title={`largest mean magnitude, all records (mean in ${units})`}
        hi={maxAbs(means)}
        items={data.texts("strongest").map((name, rank) => ({
          id: name,
          text: name,
          value: means[rank] ?? Number.NaN,
          selected: name === shown,
          attributes: { "data-cell": name },
        }))}
        onPick={({ id }) => onPick(id)}
      />
    </div>
  );
}

/** Which quantity, and which cell of it, by name. */
export function CellChoice(props: {
  quantities: readonly QuantityInfo[];
  quantity: QuantityInfo;
  shown: string;
  onQuantity: (name: string) => void;
  onCell: (cell: string) => void;
}): JSX.Element {
  const { quantities, quantity, shown, onQuantity, onCell } = props;
  const [typed, setTyped] = useState<string | null>(null);
  const go = (cell: string) =>
    flush(() => {
      setTyped(null);
      if (cell && cell !== shown) onCell(cell);
    });
  const sizes = quantity.axes.map(({ dim, size }) => `${size.toLocaleString("en")} ${dim}s`);
  return (
    <>
      {quantities.length > 1 ? (
        <select
          class="lw-select"
          aria-label="quantity"
          title="which stored quantity"
          value={quantity.name}
          onChange={(event) => {
            const { value } = event.currentTarget;
            flush(() => onQuantity(value));
          }}
        >
          {quantities.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      ) : (
        <span>{quantity.name}</span>
      )}
      {quantity.axes.length > 0 && (
        <label class="lw-data-of">
          of{" "}
          <input
            type="search"
            class="lw-mono lw-data-cell-name"
            aria-label="cell"
            title={`${sizes.join(" by ")}; Enter goes there`}
            spellcheck={false}
            value={typed ?? shown}
            onInput={(event) => setTyped(event.currentTarget.value)}
            onChange={(event) => go(event.currentTarget.value.trim())}
            onKeyDown={(event) => {
              if (event.key === "Enter") go(event.currentTarget.value.trim());
              else if (event.key === "Escape") setTyped(null);
            }}
          />
        </label>
      )}
    </>
  );
}
