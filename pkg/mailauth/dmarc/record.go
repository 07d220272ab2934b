package dmarc

import (
	"strings"
)

// A Policy is what a domain asks receivers to do with mail that fails
// (RFC 9989 §4.7, p).
type Policy string

const (
	NoPolicy   Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// A Record is a DMARC policy record (RFC 9989 §4.7).
type Record struct {
	P, SP, NP  Policy // SP and NP are "" where absent
	StrictDKIM bool   // adkim=s
	StrictSPF  bool   // aspf=s
	Testing    bool   // t=y
	PSD        byte   // 'y', 'n' or 'u'
}

// maxRecord bounds the text of a record; the largest in use have some hundred
// octets.
const maxRecord = 4 << 10

// isRecord reports whether a TXT record claims to be a DMARC record: its first
// tag is v, in either case, and says DMARC1 in exactly these letters (RFC 9989 §4.7,
// v; §4.8, dmarc-version).
func isRecord(text string) bool {
	first, _, _ := strings.Cut(text, ";")
	name, value, found := strings.Cut(first, "=")
	return found && strings.EqualFold(strings.Trim(name, " \t"), "v") && strings.Trim(value, " \t") == "DMARC1"
}

// ParseRecord reads a record. It is false for one that asks for nothing that
// could be applied: without a usable policy and without anybody to report to
// (RFC 9989 §4.10.1).
func ParseRecord(text string) (Record, bool) {
	record := Record{PSD: 'u'}
	if len(text) > maxRecord || !isRecord(text) {
		return record, false
	}
	seen := map[string]bool{}
	usable, reports := true, false
	for _, spec := range strings.Split(text, ";") {
		name, value, found := strings.Cut(spec, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if !found || seen[name] {
			continue // what is malformed or said again is not read (RFC 9989 §4.7)
		}
		seen[name] = true
		switch name {
		case "p":
			usable = readPolicy(value, &record.P) && usable
		case "sp":
			usable = readPolicy(value, &record.SP) && usable
		case "np":
			usable = readPolicy(value, &record.NP) && usable
		case "adkim":
			record.StrictDKIM = strings.EqualFold(value, "s")
		case "aspf":
			record.StrictSPF = strings.EqualFold(value, "s")
		case "t":
			record.Testing = strings.EqualFold(value, "y")
		case "psd":
			switch strings.ToLower(value) {
			case "y":
				record.PSD = 'y'
			case "n":
				record.PSD = 'n'
			}
		case "rua":
			reports = hasReportURI(value)
		}
	}
	if usable && record.P != "" {
		return record, true
	}
	// RFC 9989 §4.10.1: without a valid p, or with a bad sp or np, the record counts
	// as p=none where somebody wants reports, and not at all otherwise.
	record.P, record.SP, record.NP = NoPolicy, "", ""
	return record, reports
}

func readPolicy(value string, to *Policy) bool {
	switch policy := Policy(strings.ToLower(value)); policy {
	case NoPolicy, Quarantine, Reject:
		*to = policy
		return true
	}
	return false
}

func hasReportURI(value string) bool {
	for _, uri := range strings.Split(value, ",") {
		scheme, rest, found := strings.Cut(strings.Trim(uri, " \t"), ":")
		if found && strings.EqualFold(scheme, "mailto") && strings.Contains(rest, "@") {
			return true
		}
	}
	return false
}
