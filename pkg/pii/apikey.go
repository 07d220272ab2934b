package pii

import (
	"strings"
	"unicode/utf8"
)

// keyPrefixes are how issuers begin the keys and tokens that they give out, with
// the least number of characters that follow.
var keyPrefixes = []struct {
	prefix string
	least  int
}{
	{"sk_live_", 16}, {"sk_test_", 16}, {"rk_live_", 16}, {"rk_test_", 16}, {"whsec_", 20},
	{"AKIA", 16}, {"ASIA", 16}, {"ghp_", 36}, {"gho_", 36}, {"ghu_", 36}, {"ghs_", 36}, {"ghr_", 36},
	{"github_pat_", 40}, {"glpat-", 20}, {"xoxb-", 20}, {"xoxp-", 20}, {"xoxa-", 20}, {"xoxr-", 20}, {"xoxs-", 20}, {"xapp-", 20},
	{"AIza", 35}, {"ya29.", 20}, {"GOCSPX-", 20}, {"SG.", 40}, {"sk-proj-", 20}, {"sk-ant-", 20}, {"sk-", 40},
	{"npm_", 36}, {"pypi-", 50}, {"dop_v1_", 64}, {"shpat_", 32}, {"shpss_", 32}, {"hf_", 30}, {"EAACEdEose0cBA", 10},
	{"sq0csp-", 40}, {"sq0atp-", 20}, {"NRAK-", 27}, {"lin_api_", 32}, {"AGE-SECRET-KEY-1", 58}, {"SCW", 17}, {"dckr_pat_", 20},
	{"eyJ", 30},
}

// maxSecret bounds the bytes of one key or password.
const maxSecret = 4096

// leastKey is the length of the shortest key with its prefix.
const leastKey = 20

// keys finds API keys, tokens and private keys by how they begin.
func (s *scan) keys() {
	text := s.text
	armoured := strings.Contains(text, "-----BEGIN ")
	for i := 0; i+leastKey <= len(text); {
		if !armoured { // skip what is shorter than any key
			last := i + leastKey - 1
			for last >= i && isKeyByte(text[last]) {
				last--
			}
			if last >= i {
				i = last + 1
				continue
			}
		}
		if text[i] == '-' && strings.HasPrefix(text[i:], "-----BEGIN ") {
			i = s.armour(i)
			continue
		}
		if !isAlnum(text[i]) {
			i++
			continue
		}
		end := i
		for end < len(text) && isKeyByte(text[end]) && end-i < maxSecret {
			end++
		}
		next := end
		for end > i && (text[end-1] == '.' || text[end-1] == '-') {
			end--
		}
		if end-i >= leastKey {
			s.key(i, end)
		}
		i = max(next, i+1)
	}
}

// hookHosts are addresses whose path is the key to them.
var hookHosts = []string{"hooks.slack.com/services/", "discord.com/api/webhooks/", "discordapp.com/api/webhooks/", "api.telegram.org/bot", "webhook.office.com/webhookb2/"}

// hook finds the key in the address of a web hook whose host begins at i.
func (s *scan) hook(i int) {
	rest := s.text[i:min(i+maxHookHost, len(s.text))]
	for _, host := range hookHosts {
		at := strings.Index(rest, host)
		if at < 0 {
			continue
		}
		start := i + at + len(host)
		end := start
		for end < len(s.text) && end-start < 512 && (isKeyByte(s.text[end]) || strings.IndexByte("/:@", s.text[end]) >= 0) {
			end++
		}
		if end-start >= leastKey {
			s.add(APIKey, start, end)
		}
		return
	}
}

// maxHookHost bounds the bytes of a URL in which the host of a web hook is looked for.
const maxHookHost = 64

func (s *scan) key(i, end int) {
	word := s.text[i:end]
	for _, known := range keyPrefixes {
		if word[0] != known.prefix[0] || !strings.HasPrefix(word, known.prefix) || len(word)-len(known.prefix) < known.least {
			continue
		}
		if known.prefix == "eyJ" && strings.Count(word, ".") != 2 && strings.Count(word, ".") != 4 { // RFC 7515 §3.1, RFC 7516 §3.1
			continue
		}
		if (known.prefix == "AKIA" || known.prefix == "ASIA" || known.prefix == "SCW") && (len(word) != 20 || word != strings.ToUpper(word)) {
			continue
		}
		s.add(APIKey, i, end)
		return
	}
}

// armour finds a private key in PEM or OpenPGP armour (RFC 7468 §2, RFC 9580
// §6.2); one that is cut off counts to the end of its lines.
func (s *scan) armour(i int) int {
	text := s.text
	const begin = len("-----BEGIN ")
	head := text[i+begin : min(i+begin+80, len(text))]
	close := strings.Index(head, "-----")
	if close < 0 {
		return i + begin
	}
	label := head[:close]
	body := i + begin + close + 5
	if !strings.Contains(label, "PRIVATE KEY") {
		return body
	}
	limit := text[body:min(body+maxArmour, len(text))]
	end := body + len(limit)
	if at := strings.Index(limit, "-----END "+label+"-----"); at >= 0 {
		end = body + at + len("-----END "+label+"-----")
	} else if at := strings.Index(limit, "\n\n\n"); at >= 0 {
		end = body + at
	}
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	s.add(PrivateKey, i, end)
	return end
}

// maxArmour bounds the bytes of one armoured key.
const maxArmour = 64 << 10
