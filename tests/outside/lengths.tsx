import {
  askCode,
  datasetCsv,
  mountView,
  OptionButtons,
  type PanelProps,
  useAnswer,
  useView,
  ViewFrame,
} from "lens-widgets";
import * as ask from "./lengths_types";

const COUNTED = [
  { value: "characters", label: "characters" },
  { value: "bytes", label: "bytes" },
] as const;

/** The tokens of the selected prompt, each with its length. */
function LengthsPanel({ session, rpc, compact }: PanelProps) {
  const handle = useView("lengths", { session, rpc });
  const { prompt } = session.selection.value;
  const counted = session.option(ask.OPTIONS.counted);
  const { data } = useAnswer(handle, ask.lengths, { prompt, counted: counted.value });
  return (
    <ViewFrame
      handle={handle}
      title="Lengths"
      compact={compact}
      controls={<OptionButtons label="counted" of={counted} choices={COUNTED} />}
      takeaway={{
        csv: () => data && datasetCsv(data),
        code: () => askCode(handle, ask.code, { prompt }),
      }}
    >
      {data && (
        <ul class="lw-lengths" aria-label={data.attrs.definition}>
          {data.texts("token").map((token, pos) => (
            <li key={pos} data-pos={pos} data-value={data.numbers("length")[pos]}>
              <span class="lw-mono">{token}</span> {data.numbers("length")[pos]}
            </li>
          ))}
        </ul>
      )}
    </ViewFrame>
  );
}

export default mountView(LengthsPanel);
