package run

import (
	"context"
	"log/slog"
	"math"
	"reflect"
	"regexp"
	"strconv"
)

// withheld stands in a line for what may not leave the process.
const withheld = "‹withheld›"

// A door is the only way into the log. Numbers, times and truths pass. A string passes
// under a key that is known and in that key's form: an id, a code, a name that the operator
// or the program gave. An error passes as told gives it. Anything else is withheld, so that
// what nobody thought of is not written.
type door struct{ next slog.Handler }

func (d door) Enabled(ctx context.Context, level slog.Level) bool { return d.next.Enabled(ctx, level) }

func (d door) Handle(ctx context.Context, line slog.Record) error {
	admitted := slog.NewRecord(line.Time, line.Level, line.Message, line.PC)
	line.Attrs(func(attr slog.Attr) bool {
		admitted.AddAttrs(admit(attr))
		return true
	})
	return d.next.Handle(ctx, admitted)
}

func (d door) WithAttrs(attrs []slog.Attr) slog.Handler {
	admitted := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		admitted[i] = admit(attr)
	}
	return door{d.next.WithAttrs(admitted)}
}

func (d door) WithGroup(name string) slog.Handler { return door{d.next.WithGroup(name)} }

// forms are the keys whose values are words, and what such a value looks like.
var forms = map[string]func(string) bool{
	"service": isWord, "stage": isWord, "consumer": isWord, "outcome": isWord, "code": isWord, "state": isWord, "mailbox": isWord,
	"item": isHex(64), "event": isHex(32), "trace": isHex(32),
	"operation":  like(`[a-z][a-z0-9_.]{0,63}`),
	"stream":     like(`[A-Z][A-Z_]{0,31}`),
	"subject":    like(`(\$JS|\$SYS|told|_INBOX_[a-z-]{1,32}|items|mail|tickets?|retention|audit|keyring|cursors|mailboxes|leases|verify|deaths|API)\.[A-Za-z0-9_.*>$-]{1,200}`), // of the bus
	"ticket":     like(`T[0-9a-f]{20}`),
	"signatures": like(`[a-z][a-z0-9._-]{0,127}`), // a version of them
	"plan":       like(`P[0-9A-Za-z]{8,40}`), "certificate": like(`C[0-9A-Za-z]{8,40}`),
	"bucket":   like(`[a-z0-9_]{1,64}\.[a-z]{1,16}(\.\d{8}\.\d{1,9})?`),
	"page":     like(`([A-Z]{3,7} )?[A-Za-z0-9_/{}$.-]{1,80}`),                                          // a pattern or a template of ours
	"address":  like(`([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-f:.]{2,45}(%[a-z0-9]{1,15})?\]):[0-9]{1,5}`), // where a listener is
	"base_url": like(`https?://[A-Za-z0-9.:\[\]-]{1,255}(/[A-Za-z0-9/._-]{0,200})?`),                    // as it is configured
	"folder":   like(`[^\x00-\x1f\x7f]{1,255}`),                                                         // as it is configured
}

func like(pattern string) func(string) bool {
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString
}

func isWord(text string) bool {
	for i, letter := range []byte(text) {
		if (letter < 'a' || letter > 'z') && (letter < '0' || letter > '9') && (i == 0 || letter != '_' && letter != '-') {
			return false
		}
	}
	return text != "" && len(text) <= 64
}

// isHex admits an id of so many digits, and none: an event may have no item.
func isHex(length int) func(string) bool {
	return func(text string) bool {
		for _, letter := range []byte(text) {
			if (letter < '0' || letter > '9') && (letter < 'a' || letter > 'f') {
				return false
			}
		}
		return len(text) == length || text == ""
	}
}

// prose are the keys whose values are sentences that the program or a library of ours wrote.
var prose = map[string]bool{"err": true, "stack": true, "notice": true, "warning": true, "error": true, "fatal": true}

func admit(attr slog.Attr) slog.Attr {
	attr.Value = attr.Value.Resolve()
	switch attr.Value.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindDuration, slog.KindTime:
		return attr
	case slog.KindFloat64:
		return slog.Attr{Key: attr.Key, Value: fraction(attr.Value.Float64())}
	case slog.KindGroup:
		members := attr.Value.Group()
		admitted := make([]slog.Attr, len(members))
		for i, member := range members {
			admitted[i] = admit(member)
		}
		return slog.Attr{Key: attr.Key, Value: slog.GroupValue(admitted...)}
	case slog.KindString:
		return slog.String(attr.Key, admitString(attr.Key, attr.Value.String()))
	}
	return slog.Attr{Key: attr.Key, Value: admitAny(attr.Key, attr.Value.Any())}
}

func admitString(key, text string) string {
	if prose[key] {
		return scrub(text)
	}
	if form := forms[key]; form != nil && form(text) {
		return text
	}
	return withheld
}

// admitAny admits errors, and our own kinds of strings and numbers.
func admitAny(key string, value any) slog.Value {
	if err, is := value.(error); is && prose[key] {
		return slog.StringValue(told(err))
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid: // nil
		return slog.AnyValue(nil)
	case reflect.Bool:
		return slog.BoolValue(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return slog.Int64Value(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return slog.Uint64Value(v.Uint())
	case reflect.Float32, reflect.Float64:
		return fraction(v.Float())
	case reflect.String:
		return slog.StringValue(admitString(key, v.String()))
	}
	return slog.StringValue(withheld)
}

// fraction gives a number; as a word where JSON has none for it: NaN, +Inf, -Inf.
func fraction(number float64) slog.Value {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return slog.StringValue(strconv.FormatFloat(number, 'g', -1, 64))
	}
	return slog.Float64Value(number)
}
