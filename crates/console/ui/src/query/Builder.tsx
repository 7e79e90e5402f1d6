import { useEffect, useMemo, useState } from 'react';

import { listValues } from './calls';
import { calculations, keyOf, tidy, withBreakdowns, withCalculations } from './spec';
import type { Spec, Value } from './spec';
import {
  parseCalculation,
  parseFilter,
  parseHaving,
  parseNamed,
  parseOrder,
  printCalculation,
  printFilter,
  printHaving,
  printNamed,
  printOrder,
  suggestCalculation,
  suggestColumns,
  suggestFilter,
  suggestHaving,
  suggestOrder,
  valuesWanted,
} from './text';
import type { Column } from './text';
import { TokenField } from './TokenField';

interface Props {
  readonly spec: Spec;
  readonly dataset: string | null;
  readonly columns: readonly Column[];
  readonly onChange: (spec: Spec) => void;
}

/** The query in words that can be changed one by one. Every change runs it. */
export function Builder({ spec, dataset, columns, onChange }: Props) {
  const [typing, setTyping] = useState('');
  const values = useValues(typing, dataset);
  const known = useMemo(() => [...columns, ...(spec.calculated_fields ?? []).map(({ name }): Column => ({ name, type: 'float', count: 0 }))], [columns, spec.calculated_fields]);
  const typeOf = (name: string) => columns.find((each) => each.name === name)?.type;
  const keys = calculations(spec).filter(({ op }) => op !== 'HEATMAP').map(keyOf);
  const set = (changes: Partial<Spec>) => onChange(tidy({ ...spec, ...changes }));
  const isOr = spec.filter_combination === 'OR';
  return (
    <section className="builder" aria-label="Query">
      <TokenField
        label="Visualize"
        shortcut="v"
        items={calculations(spec)}
        print={printCalculation}
        parse={parseCalculation}
        suggest={(text) => suggestCalculation(text, known)}
        onChange={(next) => onChange(tidy(withCalculations(spec, next)))}
        placeholder="COUNT, HEATMAP(duration_ms), P95(…)"
      />
      <TokenField
        label="Where"
        shortcut="w"
        items={spec.filters ?? []}
        print={printFilter}
        parse={(text) => parseFilter(text, typeOf)}
        suggest={(text) => suggestFilter(text, known, values)}
        onTyping={setTyping}
        onChange={(filters) => set({ filters })}
        placeholder="every span; or name = GET /, error exists"
      >
        {(spec.filters?.length ?? 0) > 1 && (
          <button
            type="button"
            className="and-or"
            aria-pressed={isOr}
            title="All of them, or any of them"
            onClick={() => {
              const { filter_combination: _combination, ...rest } = spec;
              onChange(isOr ? rest : { ...rest, filter_combination: 'OR' });
            }}
          >
            {isOr ? 'any' : 'all'}
          </button>
        )}
      </TokenField>
      <TokenField
        label="Group by"
        shortcut="b"
        items={spec.breakdowns ?? []}
        print={(name) => name}
        parse={(text) => (text.trim() === '' ? { missing: 'a column' } : { ok: text.trim() })}
        suggest={(text) => suggestColumns(text, known)}
        onChange={(next) => onChange(tidy(withBreakdowns(spec, next)))}
        placeholder="service.name, app.user_id …"
      />
      <TokenField
        label="Order by"
        shortcut="o"
        items={spec.orders ?? []}
        print={printOrder}
        parse={parseOrder}
        suggest={(text) => suggestOrder(text, keys, spec.breakdowns ?? [])}
        onChange={(orders) => set({ orders })}
        placeholder={`${keys[0] ?? 'COUNT'} desc`}
      />
      <TokenField
        label="Having"
        items={spec.havings ?? []}
        print={printHaving}
        parse={parseHaving}
        suggest={(text) => suggestHaving(text, keys)}
        onChange={(havings) => set({ havings })}
        placeholder="COUNT > 10"
      />
      <TokenField
        label="Fields"
        items={spec.calculated_fields ?? []}
        print={printNamed}
        parse={parseNamed}
        suggest={() => []}
        onChange={(calculated_fields) => set({ calculated_fields })}
        placeholder="is_slow = GT($duration_ms, 100)"
      />
      {(spec.formulas?.length ?? 0) > 0 && (
        <TokenField label="Formulas" items={spec.formulas ?? []} print={printNamed} parse={parseNamed} suggest={() => []} onChange={(formulas) => set({ formulas })} placeholder="" />
      )}
    </section>
  );
}

/** Asks a moment after the last key. */
const PAUSE_MS = 80;

/** The values that the column has which is being typed about. */
function useValues(typing: string, dataset: string | null): readonly { value: Value; count: number }[] {
  const wanted = valuesWanted(typing);
  const [found, setFound] = useState<{ column: string; values: readonly { value: Value; count: number }[] } | null>(null);
  const column = wanted?.column ?? null;
  const prefix = wanted?.prefix ?? '';
  useEffect(() => {
    if (column === null) return;
    const asked = new AbortController();
    const timer = setTimeout(() => {
      listValues(column, prefix, dataset, asked.signal).then(
        (values) => setFound({ column, values }),
        // Suggestions are a help; without them one types.
        () => setFound(null),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [column, prefix, dataset]);
  return found !== null && found.column === column ? found.values : [];
}
