//! Everything a key can mean. What each is called, and which key it has, stands in the key table only.

/// One act of the dashboard, independent of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    // everywhere
    Quit,
    Cancel,
    Suspend,
    Repaint,
    Help,
    Messages,
    Undo,
    GoTab(u8),
    NextTab,
    PreviousTab,
    NextPart,
    PreviousPart,
    Back,
    // lists
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Filter,
    KeepFilter,
    Copy,
    NextProblem,
    // providers
    ProviderAdd,
    ProviderEdit,
    ProviderDelete,
    ProviderTest,
    ProviderProbeAll,
    ProviderToggle,
    ProviderPause,
    ProviderDoctor,
    ProviderUse,
    Discover,
    // health
    HealthWindow,
    HealthScale,
    HealthIncidents,
    // playground
    PromptSend,
    PromptNewLine,
    PromptTarget,
    PromptHistory,
    PromptUndo,
    PromptRedo,
    PromptEdit,
    AnswerWhy,
    AnswerFold,
    PromptCount,
    FormKind,
    // routing
    RouteAdd,
    RouteDelete,
    RouteTry,
    SampleEdit,
    SampleDone,
    SampleKnown,
    CopyCommand,
    // an order being edited
    ItemAdd,
    ItemRemove,
    ItemUp,
    ItemDown,
    // telemetry
    CallsFollow,
    CallStop,
    CallsCharts,
    AppLog,
    LogLevel,
    // forms
    FieldNext,
    FieldPrevious,
    ChoiceNext,
    ChoicePrevious,
    FormSave,
    FormTest,
    FormDifference,
    FormLeave,
    /// After a question: leave without saving.
    FormDiscard,
    /// After a question: read the changed file, then save on top of it.
    FormSaveOnTop,
    /// After a question: one small completion.
    AnswerNow,
    // layers
    ConfirmLeft,
    ConfirmRight,
    ConfirmPress,
    /// The answer with this number, from 1.
    ConfirmChoose(u8),
    // first run, broken configuration
    WelcomeAddAll,
    OpenEditor,
    Reload,
    Trust,
    // the palette, jumping, matches, the clipboard
    Palette,
    PaletteFill,
    CopyLine,
    GoProvider,
    GoTarget,
    GoStrategy,
    Jump,
    NextMatch,
    // the end of telemetry
    FilterComplete,
    CallsExport,
    ChartsGroup,
    ChartsWindow,
    PreviousMatch,
    Copied,
    PromptEditor,
    // models of a provider
    ModelLoad,
    ModelUnload,
    /// The page of a file that cannot be used.
    BrokenPage,
    LastGoodRun,
    LastGoodCompare,
    LastGoodPutBack,
    // for other programs and for reports
    Connect,
    Report,
    // policies
    RuleAdd,
    RuleToggle,
    RuleMode,
    RuleCopy,
    RuleUp,
    RuleDown,
    // a policy being edited
    RulePick,
    RuleComplete,
    RuleTake,
    RuleSample,
    RuleExplain,
    /// After the difference was seen: write it.
    RuleSave,
    /// Explain a recorded call by the rules of now.
    CallExplain,
    /// Hold rules against recorded calls.
    RuleReplay,
    ReplayAgain,
    /// Ten times as many calls.
    ReplayMore,
    // presets
    PresetPick,
    PresetKeep,
    /// The prompt stays as plain text.
    PresetDrop,
    /// Out of the file, after a question.
    PresetDelete,
}

impl Action {
    /// Whether it does nothing but show another place, or leave: that asks where something would be lost.
    pub fn leads_away(self) -> bool {
        matches!(
            self,
            Self::GoTab(_)
                | Self::NextTab
                | Self::PreviousTab
                | Self::Help
                | Self::Messages
                | Self::Palette
                | Self::Quit
        )
    }

    /// Whether it is for changing the file, from its first step on. What also serves for looking is none of these.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::ProviderAdd
                | Self::ProviderEdit
                | Self::ProviderDelete
                | Self::ProviderToggle
                | Self::WelcomeAddAll
                | Self::Trust
                | Self::OpenEditor
                | Self::RouteAdd
                | Self::RouteDelete
                | Self::RuleAdd
                | Self::RuleToggle
                | Self::RuleMode
                | Self::RuleCopy
                | Self::RuleUp
                | Self::RuleDown
                | Self::PresetKeep
                | Self::Undo
                | Self::LastGoodPutBack
                | Self::PresetDelete
        )
    }
}
