//! The invented vendors and their model families: what each is good for, costs and is called. Only tables.

/// A line of models that follow one another in versions.
pub(super) struct Family {
    /// The author part of the ids.
    pub(super) author: &'static str,
    /// The vendor as people write it.
    pub(super) vendor: &'static str,
    /// How the ids of the family begin.
    pub(super) slug: &'static str,
    /// The family as people write it.
    pub(super) name: &'static str,
    /// What it is, to follow "is a".
    pub(super) about: &'static str,
    /// How generations are numbered.
    pub(super) numbers: Numbers,
    /// The oldest generation that is listed from the beginning.
    pub(super) oldest: u32,
    /// The newest one; below the oldest for a family that is still to come.
    pub(super) newest: u32,
    /// The sizes each generation comes in, the largest first.
    pub(super) sizes: &'static [Size],
    /// Price of a million prompt tokens of the largest size, in cents.
    pub(super) cents: u64,
    /// How many times dearer the completion is.
    pub(super) ratio: u64,
    /// Context length in tokens.
    pub(super) context: u64,
    /// The intelligence index of the oldest generation, in tenths.
    pub(super) index: u32,
    /// What it is able to do beyond chat.
    pub(super) skills: &'static [Skill],
}

/// How a generation is written.
#[derive(Clone, Copy)]
pub(super) enum Numbers {
    /// 1, 2, 3.
    Whole,
    /// 1, 1.5, 2.
    Halves,
    /// 3.1, 3.2, 3.3.
    Tenths,
}

/// One size of a family.
pub(super) struct Size {
    /// What it adds to the id.
    pub(super) suffix: &'static str,
    /// What it adds to the name.
    pub(super) label: &'static str,
    /// Its price against the largest size.
    pub(super) percent: u64,
    /// How far its intelligence index lies below, in tenths.
    pub(super) behind: u32,
}

/// What sets families apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Skill {
    /// Takes images and files.
    Vision,
    /// Thinks before it answers.
    Reasoning,
    /// Calls tools and keeps to a schema.
    Tools,
    /// Has published weights, so that some of it is served for nothing.
    Open,
    /// Is also sold at half the price for batches.
    Batch,
    /// Costs more for long prompts.
    Tiers,
    /// Is followed by an alias.
    Alias,
    /// Costs more at some hours of the day.
    Hours,
    /// Carries the sentinel date that announces nothing.
    Sentinel,
}

use Numbers::{Halves, Tenths, Whole};
use Skill::{Alias, Batch, Hours, Open, Reasoning, Sentinel, Tiers, Tools, Vision};

impl Family {
    /// Whether the family has the skill.
    pub(super) fn is(&self, skill: Skill) -> bool {
        self.skills.contains(&skill)
    }

    /// A generation as ids and names write it.
    pub(super) fn version(&self, generation: u32) -> String {
        match self.numbers {
            Whole => generation.to_string(),
            Halves if generation.is_multiple_of(2) => (generation / 2).to_string(),
            Halves => format!("{}.5", generation / 2),
            Tenths => format!("{}.{}", generation / 10, generation % 10),
        }
    }
}

const fn size(suffix: &'static str, label: &'static str, percent: u64, behind: u32) -> Size {
    Size { suffix, label, percent, behind }
}

const ONE: &[Size] = &[size("", "", 100, 0)];
const MINI: &[Size] = &[size("", "", 100, 0), size("-mini", " Mini", 18, 70)];
const NANO: &[Size] = &[size("", "", 100, 0), size("-mini", " Mini", 20, 60), size("-nano", " Nano", 5, 140)];
const FLASH: &[Size] =
    &[size("-pro", " Pro", 100, 0), size("-flash", " Flash", 24, 50), size("-flash-lite", " Flash Lite", 8, 110)];
const LARGE: &[Size] =
    &[size("-large", " Large", 100, 0), size("-medium", " Medium", 30, 50), size("-small", " Small", 8, 110)];
const HEAVY: &[Size] = &[size("-405b", " 405B", 100, 0), size("-70b", " 70B", 30, 60), size("-8b", " 8B", 4, 150)];
const LIGHT: &[Size] = &[size("-32b", " 32B", 100, 0), size("-7b", " 7B", 30, 80)];
const FAST: &[Size] = &[size("", "", 100, 0), size("-fast", " Fast", 35, 40)];

const GENERAL: Family = Family {
    author: "",
    vendor: "",
    slug: "",
    name: "",
    about: "",
    numbers: Whole,
    oldest: 1,
    newest: 2,
    sizes: ONE,
    cents: 100,
    ratio: 4,
    context: 131_072,
    index: 240,
    skills: &[Tools],
};

/// What routers are made of.
pub(super) static ROUTER: Family = Family {
    author: "openrouter",
    vendor: "OpenRouter",
    slug: "router",
    name: "Router",
    about: "router that sends each request to the model that suits it best",
    context: 2_000_000,
    skills: &[],
    ..GENERAL
};

const HALCYON: Family = Family { author: "halcyon", vendor: "Halcyon", ..GENERAL };
const TESSERA: Family = Family { author: "tessera", vendor: "Tessera", ..GENERAL };
const KESTREL: Family = Family { author: "kestrel-labs", vendor: "Kestrel Labs", ..GENERAL };
const BASALT: Family = Family { author: "basalt-ai", vendor: "Basalt AI", ..GENERAL };
const SALTMARSH: Family = Family { author: "saltmarsh", vendor: "Saltmarsh", ..GENERAL };
const IRONWOOD: Family = Family { author: "ironwood", vendor: "Ironwood", ..GENERAL };
const COBALT: Family = Family { author: "cobalt-harbor", vendor: "Cobalt Harbor", ..GENERAL };

/// All families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        slug: "lumen",
        name: "Lumen",
        about: "general multimodal model for assistants and long documents",
        newest: 3,
        sizes: NANO,
        cents: 250,
        context: 400_000,
        index: 380,
        skills: &[Vision, Reasoning, Tools, Batch, Alias],
        ..HALCYON
    },
    Family {
        slug: "lumen-code",
        name: "Lumen Code",
        about: "coding model for long agent runs in large repositories",
        cents: 175,
        ratio: 8,
        context: 400_000,
        index: 430,
        skills: &[Reasoning, Tools, Batch],
        ..HALCYON
    },
    Family {
        slug: "mosaic",
        name: "Mosaic",
        about: "multimodal model family with a very long context",
        numbers: Halves,
        oldest: 4,
        newest: 5,
        sizes: FLASH,
        cents: 200,
        ratio: 6,
        context: 1_048_576,
        index: 400,
        skills: &[Vision, Reasoning, Tools, Batch, Tiers, Alias],
        ..TESSERA
    },
    Family {
        slug: "intarsia",
        name: "Intarsia",
        about: "document model that reads scans, tables and forms",
        cents: 60,
        context: 262_144,
        index: 260,
        skills: &[Vision, Tools, Tiers],
        ..TESSERA
    },
    Family {
        slug: "talon",
        name: "Talon",
        about: "multilingual model for production workloads in Europe",
        oldest: 2,
        newest: 3,
        sizes: LARGE,
        cents: 200,
        ratio: 3,
        context: 262_144,
        index: 330,
        skills: &[Tools, Batch, Open],
        ..KESTREL
    },
    Family {
        slug: "stoop-code",
        name: "Stoop Code",
        about: "small coding model for completion and review",
        cents: 30,
        ratio: 3,
        context: 262_144,
        index: 300,
        ..KESTREL
    },
    Family {
        author: "verdigris",
        vendor: "Verdigris",
        slug: "patina",
        name: "Patina",
        about: "mixture-of-experts model for agents and coding",
        numbers: Tenths,
        oldest: 45,
        newest: 47,
        sizes: &[size("", "", 100, 0), size("-air", " Air", 30, 60)],
        cents: 60,
        context: 202_752,
        index: 350,
        skills: &[Reasoning, Tools, Open],
        ..GENERAL
    },
    Family {
        author: "orrery",
        vendor: "Orrery",
        slug: "epicycle",
        name: "Epicycle",
        about: "reasoning model for mathematics, planning and science",
        sizes: MINI,
        cents: 500,
        ratio: 5,
        context: 256_000,
        index: 460,
        skills: &[Reasoning, Tools, Tiers],
        ..GENERAL
    },
    Family {
        author: "orrery",
        vendor: "Orrery",
        slug: "astrolabe",
        name: "Astrolabe",
        about: "research model that plans, searches and cites over many steps",
        oldest: 1,
        newest: 1,
        cents: 800,
        ratio: 4,
        context: 256_000,
        index: 420,
        skills: &[Reasoning, Tools, Sentinel],
        ..GENERAL
    },
    Family {
        author: "quillon",
        vendor: "Quillon",
        slug: "scrivener",
        name: "Scrivener",
        about: "writing model with a calm and even voice",
        oldest: 3,
        newest: 4,
        cents: 120,
        index: 230,
        ..GENERAL
    },
    Family {
        slug: "ferrite",
        name: "Ferrite",
        about: "open-weight instruction model for general use",
        numbers: Tenths,
        oldest: 32,
        newest: 33,
        sizes: HEAVY,
        cents: 90,
        ratio: 2,
        index: 210,
        skills: &[Tools, Open],
        ..BASALT
    },
    Family {
        slug: "ferrite-vision",
        name: "Ferrite Vision",
        about: "open-weight model that reads pictures and charts",
        sizes: LIGHT,
        cents: 30,
        ratio: 3,
        index: 190,
        skills: &[Vision, Open],
        ..BASALT
    },
    Family {
        slug: "heron",
        name: "Heron",
        about: "dense open-weight model in sizes that fit one machine",
        oldest: 2,
        newest: 3,
        sizes: LIGHT,
        cents: 24,
        ratio: 3,
        index: 220,
        skills: &[Reasoning, Tools, Open],
        ..SALTMARSH
    },
    Family {
        slug: "egret-coder",
        name: "Egret Coder",
        about: "open-weight coding model with tool calling",
        sizes: LIGHT,
        cents: 22,
        ratio: 4,
        context: 262_144,
        index: 260,
        skills: &[Tools, Open],
        ..SALTMARSH
    },
    Family {
        author: "fennec",
        vendor: "Fennec",
        slug: "dune",
        name: "Dune",
        about: "fast model for classification and extraction",
        numbers: Halves,
        oldest: 2,
        newest: 3,
        sizes: FAST,
        cents: 15,
        index: 230,
        skills: &[Tools, Batch],
        ..GENERAL
    },
    Family {
        author: "nine-rivers",
        vendor: "Nine Rivers",
        slug: "delta",
        name: "Delta",
        about: "mixture-of-experts model, cheaper outside working hours",
        numbers: Tenths,
        oldest: 31,
        newest: 32,
        cents: 44,
        ratio: 3,
        context: 163_840,
        index: 370,
        skills: &[Reasoning, Tools, Hours],
        ..GENERAL
    },
    Family {
        author: "palisade",
        vendor: "Palisade",
        slug: "rampart-guard",
        name: "Rampart Guard",
        about: "safety classifier for prompts and answers",
        oldest: 3,
        newest: 4,
        sizes: &[size("-12b", " 12B", 100, 0)],
        cents: 18,
        ratio: 1,
        index: 120,
        skills: &[Open],
        ..GENERAL
    },
    Family {
        author: "umbra-works",
        vendor: "Umbra Works",
        slug: "penumbra",
        name: "Penumbra",
        about: "story and dialogue model tuned for characters",
        sizes: LIGHT,
        cents: 70,
        ratio: 2,
        context: 65_536,
        index: 160,
        skills: &[Open],
        ..GENERAL
    },
    Family {
        slug: "beacon",
        name: "Beacon",
        about: "assistant model with a strict tone and few refusals",
        numbers: Tenths,
        oldest: 40,
        newest: 41,
        sizes: FAST,
        cents: 300,
        ratio: 5,
        context: 500_000,
        index: 410,
        skills: &[Vision, Reasoning, Tools, Tiers],
        ..COBALT
    },
    Family {
        slug: "beacon-code",
        name: "Beacon Code",
        about: "coding model with quick edits",
        sizes: FAST,
        cents: 40,
        ratio: 7,
        context: 256_000,
        index: 340,
        skills: &[Reasoning, Tools],
        ..COBALT
    },
    Family {
        author: "larkspur",
        vendor: "Larkspur",
        slug: "cadence",
        name: "Cadence",
        about: "conversation model for voice and support desks",
        numbers: Halves,
        oldest: 3,
        newest: 4,
        sizes: MINI,
        cents: 110,
        context: 200_000,
        index: 290,
        skills: &[Tools, Batch],
        ..GENERAL
    },
    Family {
        author: "wayfarer",
        vendor: "Wayfarer",
        slug: "compass",
        name: "Compass",
        about: "search model that answers with sources",
        sizes: &[size("-deep", " Deep", 100, 0), size("", "", 40, 70)],
        cents: 250,
        context: 200_000,
        index: 310,
        skills: &[Reasoning],
        ..GENERAL
    },
    Family {
        slug: "burl",
        name: "Burl",
        about: "open-weight model for retrieval and summaries",
        oldest: 2,
        newest: 3,
        sizes: LIGHT,
        cents: 28,
        ratio: 2,
        index: 200,
        skills: &[Tools, Open],
        ..IRONWOOD
    },
    Family {
        slug: "burl-agent",
        name: "Burl Agent",
        about: "open-weight model trained for tool use",
        sizes: LIGHT,
        cents: 36,
        ratio: 4,
        context: 262_144,
        index: 270,
        skills: &[Reasoning, Tools, Open],
        ..IRONWOOD
    },
    Family {
        author: "paperwren",
        vendor: "Paperwren",
        slug: "folio",
        name: "Folio",
        about: "translation and proof-reading model for forty languages",
        numbers: Tenths,
        oldest: 20,
        newest: 21,
        sizes: MINI,
        cents: 80,
        ratio: 2,
        index: 210,
        skills: &[Batch],
        ..GENERAL
    },
    Family {
        slug: "glaze",
        name: "Glaze",
        about: "small vision model for screenshots and receipts",
        newest: 0,
        sizes: FAST,
        cents: 20,
        index: 220,
        skills: &[Vision, Tools],
        ..TESSERA
    },
    Family {
        author: "quillon",
        vendor: "Quillon",
        slug: "margin",
        name: "Margin",
        about: "editing model that follows a house style",
        newest: 0,
        sizes: MINI,
        cents: 60,
        index: 210,
        ..GENERAL
    },
];
