package vocabulary

import (
	"slices"
	"strings"
)

// A Scheme names one list of codes. Its text is the name of the declaration's enum value without the prefix
// SCHEME_, so that neither package has to import the other.
type Scheme string

// The schemes of schema version 1 (declarations, section 2.1).
const (
	DTPRDeviceTech Scheme = "DTPR_DEVICE_TECH" // kinds of device
	DTPRPurpose    Scheme = "DTPR_PURPOSE"     // purposes, device chain and AI chain together
	DTPRProcessing Scheme = "DTPR_PROCESSING"  // ways of processing, device chain and AI chain together
	DTPRHarm       Scheme = "DTPR_HARM"        // harms that an assessment weighs
	DTPRRight      Scheme = "DTPR_RIGHT"       // rights of the people concerned
	DPVPurpose     Scheme = "DPV_PURPOSE"      // purposes of data processing
	DPVPD          Scheme = "DPV_PD"           // kinds of personal data, and "no personal data"
	DPVAI          Scheme = "DPV_AI"           // capabilities of AI and of recognition systems
	DPVLegalBasis  Scheme = "DPV_LEGAL_BASIS"  // legal bases, general and by GDPR article
	DPVMeasure     Scheme = "DPV_MEASURE"      // technical, organisational, legal and physical safeguards
	DPVDataSubject Scheme = "DPV_DATA_SUBJECT" // groups of people
	GSCAPolicy     Scheme = "GSCA_POLICY"      // the Global Smart Cities Alliance's 16 model policies
	GSCAPrinciple  Scheme = "GSCA_PRINCIPLE"   // its five principles, in their order
	Standard       Scheme = "STANDARD"         // standards by designation
	Local          Scheme = "LOCAL"            // our own terms
)

// allSchemes is in the order of the declaration's enum, which is also the order of search results.
var allSchemes = []Scheme{
	DTPRDeviceTech, DTPRPurpose, DTPRProcessing, DTPRHarm, DTPRRight,
	DPVPurpose, DPVPD, DPVAI, DPVLegalBasis, DPVMeasure, DPVDataSubject,
	GSCAPolicy, GSCAPrinciple, Standard, Local,
}

// Schemes returns all schemes in a fixed order. The slice is the caller's.
func Schemes() []Scheme { return slices.Clone(allSchemes) }

// Valid reports whether s is one of [Schemes].
func (s Scheme) Valid() bool { return slices.Contains(allSchemes, s) }

func (s Scheme) fileName() string { return strings.ToLower(string(s)) + ".tsv" }
