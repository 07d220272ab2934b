// Package authres reads Authentication-Results (RFC 8601). It says what a field
// claims; whether the claim counts depends on who wrote it, which the caller has
// to know. It writes no such field.
package authres

import (
	"errors"
	"strings"
)

// A Header is one Authentication-Results field.
type Header struct {
	ID      string // authserv-id, lower case
	Results []Result
}

// A Result is what one method found.
type Result struct {
	Method string // "spf", "dkim", "dmarc", "arc", ...; lower case
	Value  string // "pass", "fail", ...; lower case
	Reason string
	Props  []Prop // in the order they stand
}

// A Prop is one ptype.property=value, such as smtp.mailfrom or header.d.
type Prop struct{ Name, Value string }

// Get gives the value of a property, "" where it is absent.
func (r Result) Get(name string) string {
	for _, p := range r.Props {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Limits of what is read.
const (
	MaxResults = 100
	MaxProps   = 50
)

var errMalformed = errors.New("malformed authentication results")

// Parse reads the value of a field (RFC 8601 §2.2).
func Parse(value string) (Header, error) {
	tokens, ok := tokenize(value)
	if !ok {
		return Header{}, errMalformed
	}
	statements := split(tokens)
	first := statements[0]
	// authserv-id, and perhaps the version, which must be 1.
	if len(first) == 0 || len(first) > 2 || first[0].kind == sign || first[0].text == "" || len(first) == 2 && first[1].text != "1" {
		return Header{}, errMalformed
	}
	header := Header{ID: strings.ToLower(first[0].text)}
	results, err := readResults(statements[1:])
	header.Results = results
	return header, err
}

// readResults reads what follows the authserv-id: the results alone.
func readResults(statements [][]token) ([]Result, error) {
	var results []Result
	for i, statement := range statements {
		if len(statement) == 0 {
			if i == len(statements)-1 {
				break // a semicolon at the end is common
			}
			return results, errMalformed
		}
		if len(statement) == 1 && strings.EqualFold(statement[0].text, "none") {
			continue // no-result
		}
		if len(results) == MaxResults {
			return results, errMalformed
		}
		result, ok := readResult(statement)
		if !ok {
			return results, errMalformed
		}
		results = append(results, result)
	}
	return results, nil
}

// readResult reads method[/version]=value [reason=value] *(ptype.property=value).
func readResult(tokens []token) (Result, bool) {
	var r Result
	for first := true; len(tokens) > 0; first = false {
		name, used := readName(tokens)
		if used == 0 || len(tokens) < used+2 || tokens[used].kind != sign || tokens[used+1].kind == sign {
			return r, false
		}
		value := tokens[used+1].text
		tokens = tokens[used+2:]
		switch {
		case first:
			r.Method, _, _ = strings.Cut(name, "/")
			r.Value = strings.ToLower(value)
		case name == "reason":
			r.Reason = value
		default:
			if !strings.Contains(name, ".") || len(r.Props) == MaxProps {
				return r, false
			}
			r.Props = append(r.Props, Prop{name, value})
		}
	}
	return r, r.Method != "" && r.Value != ""
}

// readName reads a word, or words around a slash or dot that has space beside it.
func readName(tokens []token) (name string, used int) {
	for used < len(tokens) && tokens[used].kind == word {
		next := tokens[used].text
		if name != "" && strings.IndexByte("./", name[len(name)-1]) < 0 && strings.IndexByte("./", next[0]) < 0 {
			return "", 0
		}
		name += next
		used++
	}
	return strings.ToLower(name), used
}
