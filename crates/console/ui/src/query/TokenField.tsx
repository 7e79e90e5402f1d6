import { useEffect, useId, useRef, useState } from 'react';

import { Icon } from '../shared/marks';
import type { Parsed, Suggestion } from './text';

interface Props<T> {
  readonly label: string;
  readonly items: readonly T[];
  readonly print: (item: T) => string;
  readonly parse: (text: string) => Parsed<T>;
  readonly suggest: (text: string) => readonly Suggestion[];
  readonly onChange: (items: readonly T[]) => void;
  /** Called while somebody types, to have values at hand. */
  readonly onTyping?: (text: string) => void;
  readonly placeholder: string;
  /** The key that leads here. */
  readonly shortcut?: string;
  readonly children?: React.ReactNode;
}

/**
 * A part of a query as a line of words: each stands for itself and can be changed or removed, and new ones are typed with
 * suggestions. Enter takes what is marked; after Esc, or where nothing is suggested, what was typed.
 */
export function TokenField<T>({ label, items, print, parse, suggest, onChange, onTyping, placeholder, shortcut, children }: Props<T>) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [marked, setMarked] = useState(-1);
  const [missing, setMissing] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const suggestions = isOpen ? suggest(text) : [];
  const at = marked < suggestions.length ? marked : -1;

  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [at]);

  const type = (next: string) => {
    setText(next);
    setOpen(true);
    setMissing(null);
    setMarked(next.trim() === '' ? -1 : 0);
    onTyping?.(next);
  };
  const commit = (whole: string): boolean => {
    const parsed = parse(whole);
    if ('missing' in parsed) {
      setMissing(parsed.missing);
      return false;
    }
    const printed = print(parsed.ok);
    type('');
    setOpen(false);
    if (!items.some((each) => print(each) === printed)) onChange([...items, parsed.ok]);
    return true;
  };
  const take = (suggestion: Suggestion) => {
    if (suggestion.complete) commit(suggestion.text);
    else type(suggestion.text);
    input.current?.focus();
  };
  const change = (place: number) => {
    const item = items[place];
    // What has no spelling of its own would be lost.
    if (item === undefined || 'missing' in parse(print(item))) return;
    onChange(items.filter((_, each) => each !== place));
    type(print(item));
    input.current?.focus();
  };

  const press = (event: React.KeyboardEvent) => {
    const suggestion = suggestions[at];
    switch (event.key) {
      case 'ArrowDown':
        setOpen(true);
        setMarked(Math.min(at + 1, suggestions.length - 1));
        break;
      case 'ArrowUp':
        setMarked(Math.max(at - 1, -1));
        break;
      case 'Tab':
        if (!suggestion || text.trim() === '' || event.shiftKey) return;
        take(suggestion);
        break;
      case 'Enter':
        if (suggestion) take(suggestion);
        else if (text.trim() === '') setOpen(!isOpen);
        else commit(text);
        break;
      case 'Escape':
        if (text !== '' && suggestions.length > 0) setOpen(false);
        else {
          type('');
          setOpen(false);
          input.current?.blur();
        }
        break;
      case 'Backspace':
        if (text !== '' || items.length === 0) return;
        change(items.length - 1);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className="clause">
      <div className="clause-head">
        <label htmlFor={id}>{label}</label>
        {shortcut && <kbd>{shortcut}</kbd>}
        {children}
      </div>
      <div className="tokens" data-missing={missing !== null} onClick={(event) => event.target === event.currentTarget && input.current?.focus()}>
        {items.map((item, place) => (
          <span key={print(item)} className="token">
            <button type="button" {...('ok' in parse(print(item)) ? { title: 'Change', onClick: () => change(place) } : { title: `${print(item)}: can be changed as JSON`, disabled: true })}>
              {print(item)}
            </button>
            <button type="button" className="remove" aria-label={`Remove ${print(item)}`} onClick={() => onChange(items.filter((_, each) => each !== place))}>
              <Icon name="close" />
            </button>
          </span>
        ))}
        <input
          ref={input}
          id={id}
          type="text"
          role="combobox"
          aria-expanded={suggestions.length > 0}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-invalid={missing !== null}
          {...(at >= 0 && { 'aria-activedescendant': `${id}-${at}` })}
          data-clause={label}
          autoComplete="off"
          spellCheck={false}
          value={text}
          placeholder={items.length === 0 ? placeholder : '+'}
          style={{ flexBasis: `${Math.max(text.length + 2, 3)}ch` }}
          onChange={(event) => type(event.target.value)}
          onKeyDown={press}
          onFocus={() => {
            setOpen(true);
            onTyping?.(text);
          }}
          onBlur={() => {
            setOpen(false);
            if (text.trim() !== '') commit(text);
          }}
        />
        {suggestions.length > 0 && (
          <ul ref={list} id={`${id}-list`} className="suggestions" role="listbox" aria-label={`${label}: ways to go on`}>
            {suggestions.map((suggestion, place) => (
              <li
                key={suggestion.text}
                id={`${id}-${place}`}
                role="option"
                aria-selected={place === at}
                // Before the field loses the focus.
                onPointerDown={(event) => {
                  event.preventDefault();
                  take(suggestion);
                }}
              >
                <span>{suggestion.label}</span>
                <small>{suggestion.hint}</small>
              </li>
            ))}
          </ul>
        )}
      </div>
      {missing !== null && (
        <p className="missing" role="alert">
          Wanted: {missing}
        </p>
      )}
    </div>
  );
}
