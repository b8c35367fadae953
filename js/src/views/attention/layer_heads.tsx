import type { JSX, TargetedKeyboardEvent } from "preact";
import { useContext, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { drawCells, prepare, usePixelRatio } from "../../core/draw/canvas";
import { headLabel } from "../../core/draw/format";
import { Roles, roleMark, rolesOf, roleWords } from "../../core/parts/heads/roles";
import { Button } from "../../core/parts/ui";
import { type NumArray, part } from "../../core/state/arrays";
import { flush } from "../../core/state/flush";
import type { ViewHandle } from "../../core/state/handle";
import { isHeadAblated } from "../../core/state/interventions";
import { thumbnailSheet } from "./draw";
import { wrapHeads } from "./layout";
import type { Scales } from "./scale";
import type { AttentionState } from "./state";

/** The heads of the selected layer as thumbnails that wrap like text, with steps to its neighbours. */
export function LayerHeads(props: {
  view: ViewHandle;
  state: AttentionState;
  /** [layer, head, query, key] */
  patterns: NumArray | null;
  skipBos: boolean;
  scales: Scales;
  width: number;
  room: number;
}): JSX.Element {
  const { view, state, patterns, skipBos, scales, width, room } = props;
  const { session } = view;
  const { n_layers: layers, n_heads: heads } = session.info.value;
  const { layer, head } = session.selection.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = usePixelRatio();
  const layout = useMemo(() => wrapHeads(heads, width, room - 32), [heads, width, room]);
  const { cell, across, pitch } = layout;
  const sheet = useMemo(() => {
    if (!patterns) return null;
    const { shape, data } = part(patterns, layer);
    const rampOf = (at: { head: number }) => scales.head({ layer, head: at.head });
    return thumbnailSheet({ shape: [1, ...shape], data }, skipBos, rampOf, (cell - 2) * ratio);
  }, [patterns, layer, skipBos, scales, cell, ratio]);
  useLayoutEffect(() => {
    const context = canvas.current && prepare(canvas.current, layout.width, layout.height);
    if (!context || !sheet) return;
    const { image, size } = sheet;
    for (let i = 0; i < heads; i++) {
      const to = { x: (i % across) * pitch + 1, y: Math.floor(i / across) * pitch + 1 };
      const inner = { width: cell - 2, height: cell - 2 };
      const from = { x: i * size, y: 0, width: size, height: size };
      drawCells(context, image, from, { ...to, ...inner });
    }
  }, [sheet, layout, heads, across, pitch, cell]);

  const goTo = (to: number) => {
    if (to >= 0 && to < layers) session.select({ layer: to, head });
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across };
    const step = Object.entries(steps).find(([key]) => key === event.key)?.[1];
    const at = Number((event.target as HTMLElement).dataset.index ?? -1);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") session.toggleAblation(view, headLabel(layer, at));
    else if (step !== undefined) {
      const to = Math.max(0, Math.min(heads - 1, at + step));
      flush(() => session.select({ layer, head: to }));
      const next = event.currentTarget.querySelector(`[data-index="${to}"]`);
      if (next instanceof HTMLElement) next.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const roles = useContext(Roles).value;
  const off = session.changes.ablated.value;
  const preview = session.preview.value;
  return (
    <>
      <div class="lw-layer-steps">
        <Button label="previous layer" disabled={layer === 0} onClick={() => goTo(layer - 1)}>
          ‹
        </Button>
        <span>
          heads of layer <b class="lw-num">{layer}</b>
        </span>
        <Button label="next layer" disabled={layer === layers - 1} onClick={() => goTo(layer + 1)}>
          ›
        </Button>
      </div>
      <div
        class="lw-layer-heads"
        role="group"
        aria-label={`attention heads of layer ${layer}`}
        style={{
          gridTemplateColumns: `repeat(${across}, ${cell}px)`,
          gridAutoRows: `${cell}px`,
          gap: `${pitch - cell}px`,
        }}
        onKeyDown={onKeyDown}
        onPointerLeave={() => {
          flush(() => {
            session.preview.value = null;
          });
        }}
      >
        <canvas ref={canvas} class="lw-heads-canvas" />
        {Array.from({ length: heads }, (_, i) => {
          const name = headLabel(layer, i);
          const own = rolesOf(roles, layer, i);
          const selected = i === head;
          const ablated = isHeadAblated(off, layer, i);
          return (
            <button
              key={i}
              type="button"
              class="lw-head-cell"
              aria-label={[name, selected && "selected", ablated && "ablated"]
                .filter(Boolean)
                .join(", ")}
              aria-pressed={selected}
              title={`${name}${roleWords(own)}`}
              data-mark={roleMark(own)}
              data-index={i}
              data-head={name}
              data-selected={selected || undefined}
              data-ablated={ablated || undefined}
              data-preview={(preview?.layer === layer && preview.head === i) || undefined}
              tabIndex={selected ? 0 : -1}
              onPointerEnter={() => {
                flush(() => {
                  session.preview.value = { layer, head: i };
                });
              }}
              onClick={(event) => {
                flush(() => state.click(session, { layer, head: i }, event.shiftKey));
              }}
            />
          );
        })}
      </div>
    </>
  );
}
