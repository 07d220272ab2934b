package attachment

import "bytes"

// mismatched tells whether a file is of another kind than its name or its
// declaration says, in a way that misleads.
func mismatched(extension, declared, detected string) bool {
	is := familyOf(detected)
	byName := extensions[extension].family
	byType := familyOf(declared)
	switch is {
	case program, script, shortcut, diskImage:
		return byName.harmless() || byType.harmless() && is != script
	case webpage:
		// Text and mail may well be HTML; a picture or a document may not.
		return misleads(byName) || byName == unknown && misleads(byType)
	case archive:
		return byName.harmless() || byName == unknown && byType.harmless() && byType != text
	case office:
		return byName == picture || byName == media || byName == font
	}
	return false
}

func misleads(f family) bool {
	return f == picture || f == media || f == font || f == pdf || f == office
}

// eicar is the standard test string (eicar.org), kept in two pieces so that this
// source is not one.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// isEICAR tells whether content begins with the test string, as scanners
// match it; white space and a byte-order mark before it are passed over.
func isEICAR(content []byte) bool {
	head := content[:min(len(content), 256)]
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte(eicar))
}
