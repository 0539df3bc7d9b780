package vocabulary_test

import (
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

// listed are the codes that the project's survey of registers found in use or worth using, by hand. They hold
// the data files to that list where the sources themselves are not at hand.
var listed = map[vocabulary.Scheme]string{
	vocabulary.DTPRDeviceTech: `air_quality assistance_station augmented_reality biometrics cellular chatbot
		contactless_payments de_identified_image de_identified_video de_identified_voice dtpr_api
		electric_vehicle_charger facial_characterization gps hands_free identifiable_image identifiable_nfc
		identifiable_rfid identifiable_video identifiable_wifi_sensor image image_infrared inclinometer
		induction_loop intercom li_dar location_beacon microphone motion_detector nfc non_identifiable_video
		passive_infrared_sensor person_detection personal_device piezoelectric_sensor radar rfid
		soil_moisture_sensor sound_level_meter system_screen thermometer ultrasonic_level_sensor
		unmanned_aircraft_system video_camera video_camera_infrared voice water_quality weather_station
		weighing_scale wireless_access_point wireless_charging_roadway`,
	vocabulary.DTPRPurpose: `accessibility agency_interaction arts_culture commerce connectivity dining ecology
		energy_efficiency enforcement entry fire_emergency health inform logistics mobility
		planning_decision_making research_development safety_security social switch waste_management
		water_efficiency wayfinding_services
		border_immigration content_moderation education eligibility_benefits employment financial_services
		healthcare marketing_personalization risk_assessment translation_language`,
	vocabulary.DTPRProcessing: `aggregated ai_system bitmap_manipulation code_signing computer_vision cryptonets
		de_identified differential_privacy encrypted encrypted_at_rest federated_learning hardware_audits
		homomorphic_encryption immutable_query_ledger k_anonymity raw_data rdua_approved regulated
		reviewed_internally secure_multi_party_computing transport_layer_security
		trusted_execution_environment zero_knowledge_proofs
		affect_emotion_analysis anomaly_detection biometric_recognition classification_prediction
		clustering_segmentation content_moderation language_models optimization recommendation_ranking
		risk_assessment search_retrieval speech_audio translation_language privacy_transformation`,
	// privacy_transformation is not a harm: the source files it under processing, and it is taken from there.
	vocabulary.DTPRHarm: `autonomy_loss civil_liberties_harm environmental_harm financial_harm physical_harm
		political_economic_harm psychological_harm reputational_harm societal_cultural_harm
		compromise_of_privacy function_creep`,
	vocabulary.DTPRRight: `right_access right_algorithmic_transparency right_be_forgotten right_contest
		right_correction right_individual_decision_explanation right_non_discrimination right_object
		right_purpose_limitation right_to_human_review right_to_notice`,
	vocabulary.DPVPurpose: `ImprovePublicServices ImproveTransportMobility ImproveHealthcare
		CombatClimateChange ProvideOfficialStatistics PublicPolicyMaking ProtectionOfPublicSecurity
		ProtectionOfNationalSecurity EnforceSecurity EnforceAccessControl IdentityVerification
		IdentityAuthentication FraudPreventionAndDetection LegalCompliance RequestedServiceProvision
		ServiceProvision ServiceOptimisation ServiceAccessDetermination ScientificResearch AcademicResearch
		DataAltruism Advertising TargetedAdvertising SellDataToThirdParties SellInsightsFromData`,
	// The root LegalBasis names none and is left out, as are properties such as hasLegalBasis.
	vocabulary.DPVLegalBasis: `Consent Contract ContractPerformance DataTransferLegalBasis EnterIntoContract
		LegalObligation LegitimateInterest LegitimateInterestOfController LegitimateInterestOfDataSubject
		LegitimateInterestOfThirdParty OfficialAuthorityOfController PublicInterest VitalInterest
		VitalInterestOfDataSubject VitalInterestOfNaturalPerson A6-1-c A6-1-e A9-2-g A45-3 AdequacyDecision`,
	vocabulary.DPVPD: `FacialPrint Biometric Picture Vehicle VehicleLicense Location CurrentLocation Health
		HealthRecord Emotion Income HomeLocation AnonymisedData PseudonymisedData PersonalData
		SensitivePersonalData SpecialCategoryPersonalData NonPersonalData SyntheticData DerivedPersonalData
		InferredPersonalData ObservedPersonalData CollectedPersonalData`,
	vocabulary.DPVAI: `ActionRecognition AudioCapability AudioGeneration AutomaticSummarisation
		BehaviourAnalysis BiometricCapability BiometricCategorisation BiometricEmotionRecognition
		BiometricIdentification ChatbotCapability ComputationalCreativity ComputerVision ContentBasedRetrieval
		ContentGeneration ContextAwareRetrieval DialogueManagement EmotionRecognition FaceRecognition
		GestureRecognition HumanIdentification HumanOrientedCapability ImageClassification ImageGeneration
		ImageRecognition InformationRetrieval LanguageCapability LieDetection LocalBiometricIdentification
		MachineTranslation MotionAnalysis MultiModalRetrieval MusicInformationRetrieval
		NamedEntityRecognition NaturalLanguageGeneration NaturalLanguageProcessing ObjectDetection
		ObjectRecognition PartOfSpeechTagging PatternRecognition PerceptionBasedAI PersonalityTraitAnalysis
		PostTimeBiometricIdentification Profiling QuestionAnswering RealTimeBiometricIdentification
		RelationshipExtraction RemoteBiometricIdentification RemoteSensing SentimentAnalysis
		SoundSourceSeparation SoundSynthesis SpeakerRecognition SpeechRecognition SpeechSynthesis
		TextClassification TextDataMining VideoGeneration VisualRecognition`,
	vocabulary.DPVMeasure: `Pseudonymisation EncryptionAtRest DifferentialPrivacy DPIA FRIA PIA
		CybersecurityAssessment DataBreachImpactAssessment DataTransferImpactAssessment ImpactAssessment
		RightsImpactAssessment RiskAssessment SecurityAssessment AccessControlMethod PhysicalSurveillance`,
	vocabulary.DPVDataSubject: `Adult Applicant AsylumSeeker Child Citizen Client Consumer Customer
		DataSubject ElderlyDataSubject ElderlyHuman Employee GuardianOfDataSubject GuardianOfHuman
		HumanSubject Immigrant JobApplicant Member MentallyVulnerableDataSubject MentallyVulnerableHuman
		NonCitizen ParentOfDataSubject ParentOfHuman Participant Patient Student Subscriber Tourist User
		Visitor VulnerableDataSubject VulnerableHuman`,
	vocabulary.GSCAPolicy: `ict_accessibility open_data privacy_impact_assessment dig_once
		cyber_accountability data_structure agile_business_case_process partnership_models
		institutional_structure data_sharing_requirements_in_procurement data_control_and_ownership
		device_and_data_registries minimum_iot_standards resilience_strategy social_impact_assessment
		community_engagement`,
	vocabulary.GSCAPrinciple: `transparency_and_privacy safety_security_resiliency
		interoperability_and_openness operational_and_financial_sustainability
		equity_inclusion_societal_impact`,
	vocabulary.Standard: `ISO-37120 ISO-37122 ISO-37123 ISO-IEC-29134 ISO-IEC-27001 ISO-IEC-27701
		ISO-IEC-42001 ITU-T-Y.4903 OASC-MIM1 OASC-MIM2 OASC-MIM3 OASC-MIM4 OASC-MIM5 OASC-MIM6 OASC-MIM7
		OASC-MIM8 OASC-MIM9 OASC-MIM10 EN-301-549 WCAG-2.2 ETSI-EN-303-645`,
	vocabulary.Local: `licence_plate_recognition gunshot_detection predictive_policing wifi_tracking
		crowd_counting`,
}

func TestEveryListedCodeExists(t *testing.T) {
	for _, s := range vocabulary.Schemes() {
		codes := strings.Fields(listed[s])
		if len(codes) == 0 {
			t.Errorf("no code of %s is listed here", s)
		}
		for _, code := range codes {
			if _, ok := vocabulary.Lookup(s, code); !ok {
				t.Errorf("%s lacks %q", s, code)
			}
		}
	}
}

func TestWhatIsNoCodeIsRefused(t *testing.T) {
	for _, c := range []struct {
		scheme vocabulary.Scheme
		code   string
	}{
		{vocabulary.DPVLegalBasis, "hasLegalBasis"},
		{vocabulary.DPVLegalBasis, "LegalBasis"},
		{vocabulary.DTPRHarm, "privacy_transformation"},
		{vocabulary.DTPRDeviceTech, "Video_Camera"},
		{vocabulary.DTPRDeviceTech, "video_camera "},
		{vocabulary.DTPRDeviceTech, ""},
		{vocabulary.DTPRDeviceTech, "-"},
		{vocabulary.DTPRRight, "access"},
		{"DTPR", "video_camera"},
		{"", vocabulary.Other},
	} {
		if got, ok := vocabulary.Lookup(c.scheme, c.code); ok || !got.IsZero() {
			t.Errorf("Lookup(%q, %q) = %v, %v, want no term", c.scheme, c.code, got, ok)
		}
	}
}
