package audit_test

const cameraJSON = `{"language": "nl", "nickname": "plaza-cameras-$N", "deployment": {
  "name": {"texts": [{"lang": "nl", "value": "Camera's Marktplein $N"}, {"lang": "en", "value": "Market Square cameras $N"}]},
  "summary": {"texts": [{"lang": "nl", "value": "Twaalf vaste camera's. Gezichten worden in de camera zelf vervaagd."}, {"lang": "en", "value": "Twelve fixed cameras. Faces are blurred inside the camera."}]},
  "type": "DEPLOYMENT_TYPE_CAMERA_SYSTEM", "sectors": ["SECTOR_SAFETY_RESILIENCE_INFRASTRUCTURE"], "status": "STATUS_IN_USE",
  "starts_on": "2026-12-14", "ends_on": "2030", "space": "SPACE_PUBLIC_SPACE", "senses_people": "SENSES_PEOPLE_YES",
  "tech": [{"scheme": "SCHEME_DTPR_DEVICE_TECH", "code": "video_camera"}, {"scheme": "SCHEME_DTPR_DEVICE_TECH", "code": "de_identified_video"}],
  "capabilities": [{"scheme": "SCHEME_DPV_AI", "code": "ObjectDetection"}, {"scheme": "SCHEME_LOCAL", "code": "other", "other": {"texts": [{"lang": "nl", "value": "Tellen van fietsers"}]}}],
  "autonomy": "AUTONOMY_HUMAN_DECIDES", "impact_class": "IMPACT_CLASS_MODERATE",
  "affected": [{"group": {"scheme": "SCHEME_DPV_DATA_SUBJECT", "code": "Visitor"}, "relationship": "RELATIONSHIP_BYSTANDER"}],
  "purpose": [{"scheme": "SCHEME_DTPR_PURPOSE", "code": "safety_security"}],
  "purpose_text": {"texts": [{"lang": "nl", "value": "Terugkijken na een incident op het plein. Geen rechtstreeks meekijken, geen koppeling met andere systemen, geen herkenning van personen of kentekens."}, {"lang": "en", "value": "Looking back after an incident on the square. No live viewing, no link with other systems, no recognition of people or number plates."}]},
  "human_oversight": {"texts": [{"lang": "nl", "value": "Twee medewerkers geven samen toegang; elke inzage wordt vastgelegd en elk kwartaal aan de raad gemeld."}]},
  "units": 12,
  "sites": [
    {"point": {"latitude_e7": $LAT1, "longitude_e7": 48951680}, "precision": "SITE_PRECISION_EXACT", "label": "Marktplein noord $N"},
    {"point": {"latitude_e7": $LAT2, "longitude_e7": 48953020}, "precision": "SITE_PRECISION_EXACT", "label": "Marktplein zuid $N"},
    {"point": {"latitude_e7": $LAT3, "longitude_e7": 48953120}, "precision": "SITE_PRECISION_EXACT", "label": "Kerkstraat $N"},
    {"point": {"latitude_e7": $LAT4, "longitude_e7": 48953220}, "precision": "SITE_PRECISION_EXACT", "label": "Havenkade $N"}],
  "parties": [
    {"name": "Gemeente Kanaalstad, afdeling Openbare Ruimte", "role": "PARTY_ROLE_ACCOUNTABLE", "member_id": "nl-kanaalstad", "country": "NL", "contact": "privacy@kanaalstad.example"},
    {"name": "Zicht Systemen BV", "role": "PARTY_ROLE_VENDOR", "country": "NL"}],
  "data_uses": ["use/$N"], "assessments": ["asm/$N"], "review_on": "2028-12",
  "signage": {"kind": "SIGNAGE_KIND_DTPR_SIGN", "url": "https://kanaalstad.example/borden"}, "public_page": "https://kanaalstad.example/cameras/$N"}}`

const videoJSON = `{"language": "nl", "nickname": "plaza-video-$N", "data_use": {
  "name": {"texts": [{"lang": "nl", "value": "Vervaagd beeld Marktplein $N"}]}, "summary": {"texts": [{"lang": "nl", "value": "Beeld van het plein, gezichten vervaagd voor opslag."}, {"lang": "en", "value": "Pictures of the square, faces blurred before anything is stored."}]},
  "categories": [{"scheme": "SCHEME_DPV_PD", "code": "Picture"}], "identifiability": "IDENTIFIABILITY_IDENTIFIABLE", "special_category": false,
  "collected_by": "COLLECTED_BY_GOVERNMENT", "source": "DATA_SOURCE_SENSOR",
  "purposes": [{"term": {"scheme": "SCHEME_DTPR_PURPOSE", "code": "safety_security"}, "text": {"texts": [{"lang": "nl", "value": "Terugkijken na een incident, op verzoek van een slachtoffer of van de officier van justitie, door twee medewerkers samen en nooit rechtstreeks"}, {"lang": "en", "value": "Looking back after an incident, when a victim or the prosecutor asks for it, by two members of staff together and never live"}]}}],
  "legal_basis": [{"term": {"scheme": "SCHEME_DPV_LEGAL_BASIS", "code": "OfficialAuthorityOfController"}, "jurisdiction": "NL", "citation": "Gemeentewet art. 151c"}],
  "retention": [
    {"what": {"texts": [{"lang": "nl", "value": "ruw beeld"}]}, "identifiability": "IDENTIFIABILITY_IDENTIFIABLE", "mode": "RETENTION_MODE_NOT_RETAINED"},
    {"what": {"texts": [{"lang": "nl", "value": "vervaagd beeld"}]}, "identifiability": "IDENTIFIABILITY_DE_IDENTIFIED", "mode": "RETENTION_MODE_FIXED", "duration": "P28D"}],
  "storage": [{"country": "NL", "where": "STORAGE_WHERE_CITY_CLOUD", "operator": "Gemeente Kanaalstad"}],
  "recipients": [{"party": {"name": "Politie", "role": "PARTY_ROLE_THIRD_PARTY"}, "level": "GOVERNMENT_LEVEL_LAW_ENFORCEMENT", "country": "NL"}],
  "government_access": {"mode": "ACCESS_MODE_CONDITIONAL", "levels": ["GOVERNMENT_LEVEL_LAW_ENFORCEMENT"], "circumstances": "CIRCUMSTANCES_NORMAL_TIMES",
    "authorisation": "AUTHORISATION_STATUTORY_REQUEST", "legal_basis": {"term": {"scheme": "SCHEME_DPV_LEGAL_BASIS", "code": "LegalObligation"}, "citation": "Wetboek van Strafvordering art. 126nda"}, "last_period_requests": 0},
  "architecture": "ARCHITECTURE_ON_DEVICE", "safeguards": [{"scheme": "SCHEME_DPV_MEASURE", "code": "Pseudonymisation"}],
  "rights": [{"term": {"scheme": "SCHEME_DTPR_RIGHT", "code": "right_access"}, "contact": "privacy@kanaalstad.example"}],
  "refusal": {"consequence": "REFUSAL_CONSEQUENCE_NOT_POSSIBLE", "text": {"texts": [{"lang": "nl", "value": "Het plein is te vermijden via de Kerkstraat, 80 m, zonder camera. Wie bezwaar heeft tegen opname op een bepaald moment kan dat melden; het beeld wordt dan na controle door twee medewerkers gewist, ook als de termijn nog loopt."}, {"lang": "en", "value": "The square can be avoided by way of Kerkstraat, 80 m, without cameras. Whoever objects to a recording of a certain moment can say so; after a check by two members of staff the pictures are deleted, even before their time."}]}},
  "automated_decision": "AUTOMATED_DECISION_NONE"}}`

const piaJSON = `{"language": "nl", "nickname": "plaza-pia-$N", "assessment": {
  "kind": "ASSESSMENT_KIND_PIA", "covers": ["dep/$N"], "state": "ASSESSMENT_STATE_COMPLETED", "method": "ISO-IEC-29134",
  "started_on": "2026-09", "completed_on": "2026-11-16", "valid_until": "2029-11-16",
  "lifecycle": ["LIFECYCLE_STAGE_COLLECTION", "LIFECYCLE_STAGE_STORAGE", "LIFECYCLE_STAGE_DELETION"],
  "assessor": {"party": {"name": "Privacy Advies Noord BV", "role": "PARTY_ROLE_AUDITOR"}, "independence": "INDEPENDENCE_EXTERNAL"},
  "criteria": [
    {"id": "1", "text": {"texts": [{"lang": "nl", "value": "Noodzaak aangetoond: de raad heeft de cijfers van drie jaar gezien"}]}, "result": "CRITERION_RESULT_MET"},
    {"id": "2", "text": {"texts": [{"lang": "nl", "value": "Minder ingrijpende middelen onderzocht: licht, toezicht, inrichting"}]}, "result": "CRITERION_RESULT_MET"},
    {"id": "3", "text": {"texts": [{"lang": "nl", "value": "Bewaartermijn onderbouwd met de duur van aangiftes"}]}, "result": "CRITERION_RESULT_PARTLY"}],
  "risks": [{"harm": {"scheme": "SCHEME_DTPR_HARM", "code": "civil_liberties_harm"}, "text": {"texts": [{"lang": "nl", "value": "beeld onvervaagd gelekt"}]}, "likelihood": 2, "severity": 4, "mitigation": {"texts": [{"lang": "nl", "value": "vervaging in de camera"}]}, "residual": 1}],
  "consulted": [{"group": "STAKEHOLDER_GROUP_RESIDENTS", "held_on": "2026-09-10"}],
  "no_harm": {"claimed": true}, "outcome": "ASSESSMENT_OUTCOME_RISKS_MITIGATED", "recommendation": "RECOMMENDATION_CONTINUE",
  "conditions": [{"text": {"texts": [{"lang": "nl", "value": "Borden bij elke ingang"}]}, "due_on": "2026-12-14"}],
  "public_summary": {"texts": [{"lang": "nl", "value": "Wij vervagen gezichten in de camera. Het restrisico is klein. De camera's staan uit tussen twee en zes uur 's nachts, en de raad krijgt elk kwartaal te horen hoe vaak is teruggekeken en waarom."}, {"lang": "en", "value": "We blur faces inside the camera. The risk that remains is small. The cameras are off from two to six at night, and every quarter the council is told how often somebody looked back and why. Residents were asked at two evenings and in a survey that 412 of them answered; what they said is in the report, and what became of it."}]}}}`

const erasureJSON = `{"language": "nl", "notice": {"type": "NOTICE_TYPE_ERASURE",
  "text": {"texts": [{"lang": "nl", "value": "De rechter heeft het wissen gelast."}]},
  "erasure": {"ground": "ERASURE_GROUND_COURT_ORDER", "authority": "Rechtbank Noord", "citation": "C/26/1187"}}}`

const noneJSON = `{"language": "nl", "commitment": {"kind": "COMMITMENT_KIND_NEGATIVE_STATEMENT",
  "text": {"texts": [{"lang": "nl", "value": "Besluit $N"}]}, "negative": {"term": {"scheme": "SCHEME_DPV_AI", "code": "FaceRecognition"}, "since": "2019"}}}`
