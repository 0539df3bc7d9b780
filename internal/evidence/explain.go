package evidence

import "strings"

// Explain says in plain words what was proven, what that means, what not to conclude from it, and what to do first: what
// a command or an alert prints for somebody who was woken up. It is text of several paragraphs, ending in a newline,
// each paragraph one line.
func (f *Finding) Explain() string {
	text := f.advice()
	paragraphs := []string{"Proven: " + f.String(), "What it means: " + text.means}
	if f.Revoked && f.Accused != AccusedKey {
		paragraphs = append(paragraphs, "One of the keys has been revoked, and what was signed lies within what it could sign "+
			"before. A thief who holds it can sign such things even now, and nothing in a signature tells when it was made: ask before you judge.")
	}
	paragraphs = append(paragraphs, "What to do first:")
	for i, step := range text.first {
		paragraphs = append(paragraphs, string(rune('1'+i))+". "+step)
	}
	paragraphs = append(paragraphs, text.not)
	return strings.Join(paragraphs, "\n") + "\n"
}

// advice is what a person needs beside the proof.
type advice struct {
	means string
	first []string
	not   string
}

const (
	keepIt = "Keep the evidence file as it is, every byte, and send copies to other cities: it proves itself, whoever hands it on."
	askOut = "Reach the people who run it by a way that does not depend on their servers (telephone), and read them the sizes and roots."
)

func (f *Finding) advice() advice {
	switch {
	case f.Accused == AccusedKey:
		return advice{
			means: "Somebody holds a key that was revoked, and used it. What the owner signs with its present keys is not touched by this.",
			first: []string{
				keepIt,
				"Tell the owner of the key: it is in other hands, or an old machine of theirs still runs.",
				"Go on as before with the owner's present keys.",
			},
			not: "Do not conclude that the owner lied: a thief can sign this without them.",
		}
	case f.Kind == RegistryFork:
		return advice{
			means: "The registry says who is a member and whose keys count. There are two versions of that, and other cities may have " +
				"another than you.",
			first: []string{
				"Do not cosign the registry, and act on no entry that is newer than the last one on which both versions agree.",
				keepIt,
				"Reach the other cities by telephone, and compare which of the two roots each of you holds.",
				"Only the holders of the root keys can end it: a new root version names the history to continue from.",
			},
			not: "Do not pick a side alone, and do not conclude who did it: stolen keys, a copied machine and a restored backup look the same.",
		}
	case f.Accused == AccusedWitness:
		return advice{
			means: "This witness does not keep its word, which is to vouch for one history that only grows. Its cosignatures of any log are worth nothing now.",
			first: []string{
				"Do not count this key's cosignatures.",
				keepIt,
				askOut + " If it is yours: stop it. A witness whose state was lost or restored must not go on with its key; give it a new one.",
				"Have the key revoked in the registry.",
			},
			not: "Do not conclude that the log " + f.Origin + " forked: that needs evidence of its own, with the log's signatures. " +
				"Most often a machine was restored from a backup.",
		}
	}
	return advice{
		means: "Not everybody was shown the same log. A receipt that is true in one of the two histories may be missing in the other, " +
			"so do not rely on either until it is known which one continues.",
		first: []string{
			"Do not cosign this log.",
			keepIt,
			askOut,
			"Keep your own copy of the log, and ask others for the head that they hold: it shows who was shown what.",
			"If the log is yours: stop the node, and look for a second machine that runs with the same key (a copy, a restored " +
				"backup) and for signs that the key was stolen. Delete nothing in data and state.",
		},
		not: "Do not conclude why it happened: a lie, a stolen key, a copied machine and a restored backup look the same.",
	}
}
